/**
 * What the cores need of cryptography and chance, injected so that a core stays pure and a test can be replayed.
 * `nat/node` implements it with `node:crypto`; tests use a seeded one from `nat/testing`.
 */
export interface NatCrypto {
  /** `length` unpredictable bytes (transaction ids, nonces, tiebreakers, relay ports). */
  randomBytes(length: number): Uint8Array;
  hmacSha1(key: Uint8Array, data: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Only for the long-term credential key of RFC 8489 section 9.2.2. */
  md5(data: Uint8Array): Uint8Array;
  sha256(data: Uint8Array): Uint8Array;
  /** CRC-32 of ISO 3309 as FINGERPRINT uses it (RFC 8489 section 14.7), unsigned. */
  crc32(data: Uint8Array): number;
}
