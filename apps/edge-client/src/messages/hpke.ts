/**
 * The part of HPKE (RFC 9180) that sealing one message needs: base mode, one message per context, with DHKEM(X25519,
 * HKDF-SHA256), HKDF-SHA256 and ChaCha20Poly1305. All primitives are those of `node:crypto`.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { decodeBase64url, encodeBase64url } from '@parley/protocol';
import { edgeError } from '../errors.ts';

/** An X25519 key pair. */
export interface AgreementKeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** RFC 9180 section 4.1, Nenc and Npk of X25519. */
export const ENCAPSULATED_KEY_BYTES = 32;
const HASH_BYTES = 32;
const AEAD = 'chacha20-poly1305';
const AEAD_KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MODE_BASE = 0;

const EMPTY = Buffer.alloc(0);
const VERSION_LABEL = Buffer.from('HPKE-v1');
/** Section 7.1: kem_id 0x0020. */
const KEM_SUITE = Buffer.from('4b454d0020', 'hex');
/** Sections 7.1 to 7.3: "HPKE", kem_id 0x0020, kdf_id 0x0001, aead_id 0x0003. */
const HPKE_SUITE = Buffer.from('48504b45002000010003', 'hex');

/** What both sides derive for one message. */
export interface MessageSecrets {
  readonly key: Buffer;
  /** Of the first message of a context, with which the base nonce is the nonce. */
  readonly nonce: Buffer;
}

/** Seals and opens single messages of one purpose, which `info` names. */
export class Hpke {
  /** Section 5.1, `key_schedule_context`: the same for all messages of a purpose. */
  readonly #scheduleContext: Buffer;

  constructor(info: Uint8Array) {
    const pskIdHash = labeledExtract(HPKE_SUITE, EMPTY, 'psk_id_hash', EMPTY);
    const infoHash = labeledExtract(HPKE_SUITE, EMPTY, 'info_hash', info);
    this.#scheduleContext = Buffer.concat([Uint8Array.of(MODE_BASE), pskIdHash, infoHash]);
  }

  /** Encapsulated key, ciphertext, tag. `ephemeral` is used once and never again; only tests bring one. */
  seal(
    recipientKey: Uint8Array,
    associatedData: Uint8Array,
    plaintext: Uint8Array,
    ephemeral: AgreementKeyPair = newKeyPair(),
  ): Uint8Array {
    const shared = agree(ephemeral.privateKey, recipientKey);
    if (!shared) throw edgeError('EDGE_DEVICE_KEY_INVALID');
    const enc = ephemeral.publicKey;
    const { key, nonce } = this.secrets(shared, enc, recipientKey);
    const cipher = createCipheriv(AEAD, key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(associatedData, { plaintextLength: plaintext.length });
    return Buffer.concat([enc, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  }

  /** Undefined when it was sealed to another key, with a key of low order or other associated data, or was changed. */
  open(recipient: AgreementKeyPair, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const tagAt = sealed.length - TAG_BYTES;
    if (tagAt < ENCAPSULATED_KEY_BYTES) return undefined;
    const enc = sealed.subarray(0, ENCAPSULATED_KEY_BYTES);
    const shared = agree(recipient.privateKey, enc);
    if (!shared) return undefined;
    const { key, nonce } = this.secrets(shared, enc, recipient.publicKey);
    const decipher = createDecipheriv(AEAD, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData, { plaintextLength: tagAt - ENCAPSULATED_KEY_BYTES });
    decipher.setAuthTag(sealed.subarray(tagAt));
    const plaintext = decipher.update(sealed.subarray(ENCAPSULATED_KEY_BYTES, tagAt));
    return isAuthentic(decipher) ? plaintext : undefined;
  }

  /** Sections 4.1 (ExtractAndExpand) and 5.1 (KeySchedule). `diffieHellmanSecret` is what X25519 gives. */
  secrets(diffieHellmanSecret: Uint8Array, enc: Uint8Array, recipientKey: Uint8Array): MessageSecrets {
    const eaePrk = labeledExtract(KEM_SUITE, EMPTY, 'eae_prk', diffieHellmanSecret);
    const kemContext = Buffer.concat([enc, recipientKey]);
    const shared = labeledExpand(KEM_SUITE, eaePrk, 'shared_secret', kemContext, HASH_BYTES);
    const secret = labeledExtract(HPKE_SUITE, shared, 'secret', EMPTY);
    return {
      key: labeledExpand(HPKE_SUITE, secret, 'key', this.#scheduleContext, AEAD_KEY_BYTES),
      nonce: labeledExpand(HPKE_SUITE, secret, 'base_nonce', this.#scheduleContext, NONCE_BYTES),
    };
  }
}

/** Undefined for a public key of low order, with which the secret would be no secret (RFC 9180 section 7.1.4). */
function agree(privateKey: KeyObject, publicKey: Uint8Array): Buffer | undefined {
  // As a JWK: OpenSSL reads DER eight times slower.
  const key = { kty: 'OKP', crv: 'X25519', x: encodeBase64url(publicKey) };
  try {
    return diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'jwk' }) });
  } catch {
    // The private key was checked when it was imported: the public one is at fault.
    return undefined;
  }
}

function newKeyPair(): AgreementKeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const raw = decodeBase64url(publicKey.export({ format: 'jwk' }).x ?? '');
  if (!raw) throw edgeError('EDGE_DEVICE_KEY_INVALID');
  return { publicKey: raw, privateKey };
}

function isAuthentic(decipher: { final(): Buffer }): boolean {
  try {
    decipher.final();
    return true;
  } catch {
    return false; // the only way in which Node says that the tag does not fit
  }
}

/** Section 4, LabeledExtract. */
function labeledExtract(suite: Buffer, salt: Uint8Array, label: string, keyMaterial: Uint8Array): Buffer {
  // RFC 5869: no salt is a salt of zeros, which HMAC makes of an empty key by itself.
  return createHmac('sha256', salt)
    .update(VERSION_LABEL)
    .update(suite)
    .update(label)
    .update(keyMaterial)
    .digest();
}

/** Section 4, LabeledExpand, for what one block of the hash holds. */
function labeledExpand(
  suite: Buffer,
  secret: Buffer,
  label: string,
  info: Uint8Array,
  length: number,
): Buffer {
  return createHmac('sha256', secret)
    .update(Uint8Array.of(0, length))
    .update(VERSION_LABEL)
    .update(suite)
    .update(label)
    .update(info)
    .update(Uint8Array.of(1))
    .digest()
    .subarray(0, length);
}
