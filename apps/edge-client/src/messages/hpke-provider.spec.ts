import type { webcrypto } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { deviceIdOf, generateKeyPair, importKeyPair } from '../identity/keys.ts';
import { HpkeProvider, MESSAGE_SUITE } from './hpke-provider.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

/** RFC 9180 appendix A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode. */
const VECTOR = {
  info: hex('4f6465206f6e2061204772656369616e2055726e'),
  ikmE: hex('909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b'),
  ikmR: hex('1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df'),
  enc: '1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a',
  pkR: '4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a',
  skR: '8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb',
  plaintext: hex('4265617574792069732074727574682c20747275746820626561757479'),
  aads: [hex('436f756e742d30'), hex('436f756e742d31')],
  ciphertexts: [
    '1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28',
    '6b53c051e4199c518de79594e1c4ab18b96f081549d45ce015be002090bb119e85285337cc95ba5f59992dc98c',
  ],
};

function newDevice() {
  const deviceId = deviceIdOf(importKeyPair('Ed25519', generateKeyPair('Ed25519')).publicKey);
  return { deviceId, agreementKey: importKeyPair('X25519', generateKeyPair('X25519')) };
}

describe('the suite of sealed messages', () => {
  it('derives the keys of RFC 9180 A.2.1', async () => {
    const recipient = (await MESSAGE_SUITE.kem.deriveKeyPair(VECTOR.ikmR)) as webcrypto.CryptoKeyPair;
    const publicKey = await MESSAGE_SUITE.kem.serializePublicKey(recipient.publicKey);
    const privateKey = await MESSAGE_SUITE.kem.serializePrivateKey(recipient.privateKey);

    expect(Buffer.from(publicKey).toString('hex')).toBe(VECTOR.pkR);
    expect(Buffer.from(privateKey).toString('hex')).toBe(VECTOR.skR);
  });

  it('seals as RFC 9180 A.2.1 does', async () => {
    const recipient = (await MESSAGE_SUITE.kem.deriveKeyPair(VECTOR.ikmR)) as webcrypto.CryptoKeyPair;
    const sender = await MESSAGE_SUITE.createSenderContext({
      recipientPublicKey: recipient.publicKey,
      info: VECTOR.info,
      ekm: VECTOR.ikmE,
    });

    expect(Buffer.from(sender.enc).toString('hex')).toBe(VECTOR.enc);
    for (const [sequence, aad] of VECTOR.aads.entries()) {
      const sealed = await sender.seal(VECTOR.plaintext, aad);
      expect(Buffer.from(sealed).toString('hex')).toBe(VECTOR.ciphertexts[sequence]);
    }
  });

  it('opens what RFC 9180 A.2.1 sealed', async () => {
    const recipientKey = (await MESSAGE_SUITE.kem.importKey(
      'raw',
      hex(VECTOR.skR).buffer,
      false,
    )) as webcrypto.CryptoKey;
    const recipient = await MESSAGE_SUITE.createRecipientContext({
      recipientKey,
      enc: hex(VECTOR.enc),
      info: VECTOR.info,
    });

    for (const [sequence, ciphertext] of VECTOR.ciphertexts.entries()) {
      const opened = await recipient.open(hex(ciphertext), VECTOR.aads[sequence] ?? new Uint8Array(0));
      expect(Buffer.from(opened)).toEqual(Buffer.from(VECTOR.plaintext));
    }
  });
});

describe('HpkeProvider', () => {
  const alice = newDevice();
  const bob = newDevice();
  const toBob = { deviceId: bob.deviceId, agreementKey: bob.agreementKey.publicKey };
  const plaintext = new TextEncoder().encode('for Bob alone');

  it('opens what was sealed to the device, and seals it differently each time', async () => {
    const [first, second] = [
      await new HpkeProvider(alice).seal(plaintext, toBob),
      await new HpkeProvider(alice).seal(plaintext, toBob),
    ];

    expect(Buffer.from(first).equals(second)).toBe(false);
    expect(Buffer.from((await new HpkeProvider(bob).open(first)) ?? [])).toEqual(Buffer.from(plaintext));
  });

  it('opens nothing that was sealed to another key or another device id', async () => {
    const sealed = await new HpkeProvider(alice).seal(plaintext, toBob);
    const misnamed = await new HpkeProvider(alice).seal(plaintext, { ...toBob, deviceId: alice.deviceId });

    expect(await new HpkeProvider(alice).open(sealed)).toBeUndefined();
    expect(await new HpkeProvider(bob).open(misnamed)).toBeUndefined();
  });

  it('opens nothing that was changed or cut', async () => {
    const sealed = await new HpkeProvider(alice).seal(plaintext, toBob);
    const provider = new HpkeProvider(bob);

    for (const at of [0, 31, 32, sealed.length - 1]) {
      const changed = sealed.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(await provider.open(changed)).toBeUndefined();
    }
    expect(await provider.open(sealed.slice(0, 40))).toBeUndefined();
    expect(await provider.open(new Uint8Array(32))).toBeUndefined();
    // A key of low order: all zero.
    expect(await provider.open(new Uint8Array(64))).toBeUndefined();
  });
});
