import { createCipheriv, createPublicKey, diffieHellman, type webcrypto } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { CipherSuite, HkdfSha256 } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import { encodeBase64url } from '@parley/protocol';
import { EdgeClientError } from '../errors.ts';
import { generateKeyPair, importKeyPair, type KeyPair } from '../identity/keys.ts';
import { Hpke } from './hpke.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (of: Uint8Array | undefined) => of && Buffer.from(of).toString('hex');

/** RFC 9180 appendix A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode. */
const VECTOR = {
  info: bytes('4f6465206f6e2061204772656369616e2055726e'),
  pkE: '1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a',
  skE: 'f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600',
  pkR: '4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a',
  skR: '8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb',
  key: 'ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91',
  baseNonce: '5c4d98150661b848853b547f',
  plaintext: bytes('4265617574792069732074727574682c20747275746820626561757479'),
  aad: bytes('436f756e742d30'),
  ciphertext: '1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28',
};

function keyPairOf(publicHex: string, privateHex: string): KeyPair {
  return importKeyPair('X25519', {
    public: encodeBase64url(bytes(publicHex)),
    private: encodeBase64url(bytes(privateHex)),
  });
}

function newKeyPair(): KeyPair {
  return importKeyPair('X25519', generateKeyPair('X25519'));
}

describe('the vectors of RFC 9180 A.2.1', () => {
  const hpke = new Hpke(VECTOR.info);
  const ephemeral = keyPairOf(VECTOR.pkE, VECTOR.skE);
  const recipient = keyPairOf(VECTOR.pkR, VECTOR.skR);

  it('derives key and nonce', () => {
    const publicKey = createPublicKey(recipient.privateKey);
    const agreed = diffieHellman({ privateKey: ephemeral.privateKey, publicKey });
    const { key, nonce } = hpke.secrets(agreed, ephemeral.publicKey, recipient.publicKey);

    expect(hex(key)).toBe(VECTOR.key);
    expect(hex(nonce)).toBe(VECTOR.baseNonce);
  });

  it('seals', () => {
    const sealed = hpke.seal(recipient.publicKey, VECTOR.aad, VECTOR.plaintext, ephemeral);

    expect(hex(sealed)).toBe(VECTOR.pkE + VECTOR.ciphertext);
  });

  it('opens', () => {
    const opened = hpke.open(recipient, VECTOR.aad, bytes(VECTOR.pkE + VECTOR.ciphertext));

    expect(hex(opened)).toBe(hex(VECTOR.plaintext));
  });
});

describe('beside another implementation', () => {
  const suite = new CipherSuite({
    kem: new DhkemX25519HkdfSha256(),
    kdf: new HkdfSha256(),
    aead: new Chacha20Poly1305(),
  });
  const info = new TextEncoder().encode('parley/v1/sealed-message');
  const aad = new TextEncoder().encode('device');
  const hpke = new Hpke(info);

  async function importRaw(raw: Uint8Array, isPublic: boolean): Promise<webcrypto.CryptoKey> {
    return (await suite.kem.importKey('raw', raw.slice().buffer, isPublic)) as webcrypto.CryptoKey;
  }

  it.each([0, 1, 63, 1024, 24_000])('both open what either sealed: %d bytes', async (length) => {
    const plaintext = new Uint8Array(length).map((_, at) => (at * 31) % 251);
    const stored = generateKeyPair('X25519');
    const recipient = importKeyPair('X25519', stored);
    const recipientKey = await importRaw(new Uint8Array(Buffer.from(stored.private, 'base64url')), false);

    const ours = hpke.seal(recipient.publicKey, aad, plaintext);
    const openedThere = await suite.open({ recipientKey, enc: ours.slice(0, 32), info }, ours.slice(32), aad);
    expect(hex(new Uint8Array(openedThere))).toBe(hex(plaintext));

    const recipientPublicKey = await importRaw(recipient.publicKey, true);
    const theirs = await suite.seal({ recipientPublicKey, info }, plaintext, aad);
    const sealedThere = Buffer.concat([new Uint8Array(theirs.enc), new Uint8Array(theirs.ct)]);
    expect(hex(hpke.open(recipient, aad, sealedThere))).toBe(hex(plaintext));
  });
});

describe('Hpke', () => {
  const aad = new TextEncoder().encode('device');
  const plaintext = new TextEncoder().encode('for one alone');

  it('opens nothing of another purpose', () => {
    const recipient = newKeyPair();
    const sealed = new Hpke(Uint8Array.of(1)).seal(recipient.publicKey, aad, plaintext);

    expect(new Hpke(Uint8Array.of(2)).open(recipient, aad, sealed)).toBeUndefined();
  });

  it.each([
    ['zero', new Uint8Array(32)],
    ['one', Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 1 : 0))],
    ['of order 8', bytes('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800')],
  ])('neither seals to nor opens with a key of low order: %s', (_name, lowOrder) => {
    const hpke = new Hpke(new Uint8Array(0));
    const recipient = newKeyPair();

    expect(() => hpke.seal(lowOrder, aad, plaintext)).toThrow(EdgeClientError);
    expect(hpke.open(recipient, aad, sealedWithoutSecret(hpke, recipient, lowOrder))).toBeUndefined();
  });

  /** What anybody can make: X25519 with a key of low order is zero whatever the other key. */
  function sealedWithoutSecret(hpke: Hpke, recipient: KeyPair, enc: Uint8Array): Uint8Array {
    const { key, nonce } = hpke.secrets(new Uint8Array(32), enc, recipient.publicKey);
    const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
    cipher.setAAD(aad, { plaintextLength: plaintext.length });
    return Buffer.concat([enc, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  }
});
