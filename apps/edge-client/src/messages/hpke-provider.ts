import type { KeyObject, webcrypto } from 'node:crypto';
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { CipherSuite, DecapError, DeserializeError, HkdfSha256, OpenError } from '@hpke/core';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import { decodeBase64url, type DeviceId } from '@parley/protocol';
import { edgeError } from '../errors.ts';
import type { E2eeProvider, SealingRecipient } from './e2ee-provider.ts';

/** RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305. */
export const MESSAGE_SUITE = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Chacha20Poly1305(),
});

/** Keeps a sealed message from being opened as anything else that uses the same key. */
const INFO = new TextEncoder().encode('parley/v1/sealed-message');
/** RFC 9180 section 4.1, Nenc of X25519. */
const ENCAPSULATED_KEY_BYTES = 32;

/** The own half of an {@link HpkeProvider}. */
export interface HpkeSelf {
  readonly deviceId: DeviceId;
  /** X25519. */
  readonly agreementKey: { readonly publicKey: Uint8Array; readonly privateKey: KeyObject };
}

/**
 * HPKE in base mode (RFC 9180): each copy is sealed to the long-lived key of one device, with a fresh key of the sender. The
 * associated data binds the recipient's device id.
 *
 * It has NO forward secrecy: who obtains a device's private key can open every message ever sealed to that device.
 */
export class HpkeProvider implements E2eeProvider {
  readonly scheme = 'hpke-x25519-chacha20poly1305';
  readonly #self: HpkeSelf;
  #recipientKey: Promise<webcrypto.CryptoKey> | undefined;

  constructor(self: HpkeSelf) {
    this.#self = self;
  }

  async seal(plaintext: Uint8Array, recipient: SealingRecipient): Promise<Uint8Array> {
    const { enc, ct } = await MESSAGE_SUITE.seal(
      { recipientPublicKey: await importKey(recipient.agreementKey, true), info: INFO },
      plaintext,
      associatedData(recipient.deviceId),
    );
    const sealed = new Uint8Array(enc.byteLength + ct.byteLength);
    sealed.set(new Uint8Array(enc), 0);
    sealed.set(new Uint8Array(ct), enc.byteLength);
    return sealed;
  }

  async open(sealed: Uint8Array): Promise<Uint8Array | undefined> {
    if (sealed.length <= ENCAPSULATED_KEY_BYTES) return undefined;
    this.#recipientKey ??= importKey(rawPrivateKey(this.#self.agreementKey.privateKey), false);
    const recipientKey = await this.#recipientKey;
    try {
      return new Uint8Array(
        await MESSAGE_SUITE.open(
          { recipientKey, enc: sealed.slice(0, ENCAPSULATED_KEY_BYTES), info: INFO },
          sealed.slice(ENCAPSULATED_KEY_BYTES),
          associatedData(this.#self.deviceId),
        ),
      );
    } catch (thrown) {
      if (isRefusal(thrown)) return undefined;
      throw thrown;
    }
  }
}

/** Sealed to another key, changed, or with a key of low order: all the sender's doing. */
function isRefusal(thrown: unknown): boolean {
  return thrown instanceof OpenError || thrown instanceof DecapError || thrown instanceof DeserializeError;
}

function importKey(raw: Uint8Array, isPublic: boolean): Promise<webcrypto.CryptoKey> {
  // The library keeps the buffer that it gets.
  return MESSAGE_SUITE.kem.importKey('raw', raw.slice().buffer, isPublic);
}

function rawPrivateKey(key: KeyObject): Uint8Array {
  const raw = decodeBase64url(key.export({ format: 'jwk' }).d ?? '');
  if (!raw || raw.length === 0) throw edgeError('EDGE_DEVICE_KEY_INVALID');
  return raw;
}

function associatedData(deviceId: DeviceId): Uint8Array {
  return decodeBase64url(deviceId) ?? new Uint8Array(0);
}
