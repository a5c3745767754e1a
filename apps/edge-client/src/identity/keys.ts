import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { decodeBase64url, encodeBase64url, type DeviceId } from '@parley/protocol';
import { edgeError } from '../errors.ts';

/** A key pair as it lies on disk: base64url of the 32-byte public key and of the 32-byte seed or scalar (RFC 8037). */
export interface StoredKeyPair {
  readonly public: string;
  readonly private: string;
}

export type Curve = 'Ed25519' | 'X25519';

/** A key pair in use. */
export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

const KEY_BYTES = 32;

export function generateKeyPair(curve: Curve): StoredKeyPair {
  const { privateKey } = curve === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('x25519');
  const { x, d } = privateKey.export({ format: 'jwk' });
  if (x === undefined || d === undefined) throw edgeError('EDGE_DEVICE_KEY_INVALID');
  return { public: x, private: d };
}

/** @throws EDGE_DEVICE_KEY_INVALID when the private half does not make the public one. */
export function importKeyPair(curve: Curve, stored: StoredKeyPair): KeyPair {
  const publicKey = decodeBase64url(stored.public);
  if (publicKey?.length !== KEY_BYTES) throw edgeError('EDGE_DEVICE_KEY_INVALID');
  const privateKey = privateKeyFrom(curve, stored);
  // The seed alone decides: a stored public half that is not its own must not be announced.
  const derived = createPublicKey(privateKey).export({ format: 'jwk' }).x;
  if (derived !== stored.public) throw edgeError('EDGE_DEVICE_KEY_INVALID');
  return { publicKey, privateKey };
}

/** The key pair of a 32-byte Ed25519 seed (recovery codes carry nothing else). */
export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const privateKey = createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' });
  const x = createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '';
  const publicKey = decodeBase64url(x);
  if (!publicKey) throw edgeError('EDGE_DEVICE_KEY_INVALID');
  return { publicKey, privateKey };
}

/** The verifying half of a raw Ed25519 public key. @throws EDGE_DEVICE_KEY_INVALID */
export function verifyingKey(raw: Uint8Array): KeyObject {
  try {
    return createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: encodeBase64url(raw) },
      format: 'jwk',
    });
  } catch (cause) {
    throw edgeError('EDGE_DEVICE_KEY_INVALID', { cause });
  }
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** The device id of a raw Ed25519 public key: nobody assigns it. */
export function deviceIdOf(publicKey: Uint8Array): DeviceId {
  return encodeBase64url(sha256(publicKey)) as DeviceId;
}

function privateKeyFrom(curve: Curve, stored: StoredKeyPair): KeyObject {
  try {
    return createPrivateKey({
      key: { kty: 'OKP', crv: curve, x: stored.public, d: stored.private },
      format: 'jwk',
    });
  } catch (cause) {
    throw edgeError('EDGE_DEVICE_KEY_INVALID', { cause });
  }
}
