/** MESSAGE-INTEGRITY (RFC 8489 section 14.5) and MESSAGE-INTEGRITY-SHA256 (section 14.6), over the received bytes. */
import { constantTimeEqual } from '../crypto/constant-time-equal.ts';
import type { NatCrypto } from '../crypto/crypto.port.ts';
import {
  ATTRIBUTE_HEADER_BYTES,
  STUN_HEADER_BYTES,
  type AttributePosition,
  type StunMessage,
} from './message.ts';
import { MessageIntegrity, MessageIntegritySha256 } from './attributes/opaque.ts';

/** Whether the message has a MESSAGE-INTEGRITY that was made with `key`. */
export function verifyMessageIntegrity(message: StunMessage, crypto: NatCrypto, key: Uint8Array): boolean {
  const position = message.find(MessageIntegrity.type);
  const received = message.get(MessageIntegrity);
  if (position === undefined || received === undefined) return false;
  return constantTimeEqual(crypto.hmacSha1(key, coveredBytes(message, position)), received);
}

/** Whether the message has a MESSAGE-INTEGRITY-SHA256, possibly truncated, that was made with `key`. */
export function verifyMessageIntegritySha256(
  message: StunMessage,
  crypto: NatCrypto,
  key: Uint8Array,
): boolean {
  const position = message.find(MessageIntegritySha256.type);
  const received = message.get(MessageIntegritySha256);
  if (position === undefined || received === undefined) return false;
  const expected = crypto.hmacSha256(key, coveredBytes(message, position));
  return constantTimeEqual(expected.subarray(0, received.length), received);
}

/** The message up to the attribute, with a header length that ends with the attribute, as its sender computed it. */
function coveredBytes(message: StunMessage, position: AttributePosition): Uint8Array {
  // Not `bytes.slice`: of a Buffer that is a view, and the length below would be written into the received message.
  const covered = new Uint8Array(message.bytes.subarray(0, position.offset - ATTRIBUTE_HEADER_BYTES));
  const length = position.offset + position.length - STUN_HEADER_BYTES;
  covered[2] = length >>> 8;
  covered[3] = length & 0xff;
  return covered;
}
