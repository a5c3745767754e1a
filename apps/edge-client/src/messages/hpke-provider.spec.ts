import { describe, expect, it } from '@jest/globals';
import { deviceIdOf, generateKeyPair, importKeyPair } from '../identity/keys.ts';
import { HpkeProvider } from './hpke-provider.ts';

function newDevice() {
  const deviceId = deviceIdOf(importKeyPair('Ed25519', generateKeyPair('Ed25519')).publicKey);
  return { deviceId, agreementKey: importKeyPair('X25519', generateKeyPair('X25519')) };
}

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
