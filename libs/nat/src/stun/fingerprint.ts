/** FINGERPRINT (RFC 8489 section 14.7): tells STUN from other traffic on the same port; it is no protection. */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { ATTRIBUTE_HEADER_BYTES, type StunMessage } from './message.ts';
import { Fingerprint } from './attributes/opaque.ts';

/** "STUN" in ASCII: keeps the value apart from a CRC-32 that the application itself may append. */
const FINGERPRINT_XOR = 0x5354554e;

export function fingerprintOf(crypto: NatCrypto, covered: Uint8Array): number {
  return (crypto.crc32(covered) ^ FINGERPRINT_XOR) >>> 0;
}

/** Whether the message has a FINGERPRINT and it fits the received bytes. */
export function verifyFingerprint(message: StunMessage, crypto: NatCrypto): boolean {
  const position = message.find(Fingerprint.type);
  const expected = message.get(Fingerprint);
  if (position === undefined || expected === undefined) return false;
  // FINGERPRINT is last, so the length field of the received header already counts exactly up to it.
  return (
    fingerprintOf(crypto, message.bytes.subarray(0, position.offset - ATTRIBUTE_HEADER_BYTES)) === expected
  );
}
