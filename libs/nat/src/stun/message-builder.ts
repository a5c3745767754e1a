/**
 * Writes a STUN message. Attributes appear in the order of the calls; integrity and fingerprint close the message in the
 * order that RFC 8489 asks for: MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT.
 */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { NatError } from '../errors.ts';
import { Fingerprint, MessageIntegrity, MessageIntegritySha256 } from './attributes/opaque.ts';
import type { AttributeCodec } from './attributes/attribute-codec.ts';
import { fingerprintOf } from './fingerprint.ts';
import { MAGIC_COOKIE } from './magic-cookie.ts';
import { ATTRIBUTE_HEADER_BYTES, STUN_HEADER_BYTES, type StunMessage } from './message.ts';
import { encodeMessageType, type MessageClass } from './message-type.ts';
import { TRANSACTION_ID_BYTES } from './transaction-id.ts';

const INITIAL_BYTES = 128;
const MAX_ATTRIBUTES_BYTES = 0xfffc;
const HMAC_SHA1_BYTES = 20;
const HMAC_SHA256_BYTES = 32;

export class StunMessageBuilder {
  private buffer: Uint8Array;
  private length = STUN_HEADER_BYTES;
  private readonly transactionId: Uint8Array;

  constructor(messageClass: MessageClass, method: number, transactionId: Uint8Array) {
    if (transactionId.length !== TRANSACTION_ID_BYTES) {
      throw new NatError('NAT_INVALID_ARGUMENT', `A transaction id has ${TRANSACTION_ID_BYTES} bytes.`);
    }
    this.buffer = new Uint8Array(INITIAL_BYTES);
    this.transactionId = transactionId;
    const type = encodeMessageType(messageClass, method);
    this.writeUint16(0, type);
    this.writeUint16(4, MAGIC_COOKIE >>> 16);
    this.writeUint16(6, MAGIC_COOKIE & 0xffff);
    this.buffer.set(transactionId, 8);
  }

  /** A response of the request's method with its transaction id. */
  static responseTo(request: StunMessage, messageClass: 'success' | 'error'): StunMessageBuilder {
    return new StunMessageBuilder(messageClass, request.method, request.transactionId);
  }

  add<T>(codec: AttributeCodec<T>, value: T): this {
    return this.addRaw(codec.type, codec.encode(value, this.transactionId));
  }

  /** An attribute of any type, value as given (for tests and for extensions without a codec). */
  addRaw(type: number, value: Uint8Array): this {
    const start = this.appendHeader(type, value.length);
    this.buffer.set(value, start);
    return this;
  }

  /** HMAC-SHA1 over everything before it (RFC 8489 section 14.5). */
  addMessageIntegrity(crypto: NatCrypto, key: Uint8Array): this {
    const covered = this.length;
    const start = this.appendHeader(MessageIntegrity.type, HMAC_SHA1_BYTES);
    this.buffer.set(crypto.hmacSha1(key, this.buffer.subarray(0, covered)), start);
    return this;
  }

  /** HMAC-SHA256 over everything before it (section 14.6), cut to `bytes` (16 to 32, a multiple of 4). */
  addMessageIntegritySha256(crypto: NatCrypto, key: Uint8Array, bytes = HMAC_SHA256_BYTES): this {
    const covered = this.length;
    const start = this.appendHeader(MessageIntegritySha256.type, bytes);
    const mac = crypto.hmacSha256(key, this.buffer.subarray(0, covered)).subarray(0, bytes);
    this.buffer.set(MessageIntegritySha256.encode(mac, this.transactionId), start);
    return this;
  }

  /** CRC-32 over everything before it (section 14.7); nothing may follow. */
  addFingerprint(crypto: NatCrypto): this {
    const covered = this.length;
    const start = this.appendHeader(Fingerprint.type, 4);
    const fingerprint = fingerprintOf(crypto, this.buffer.subarray(0, covered));
    this.writeUint16(start, fingerprint >>> 16);
    this.writeUint16(start + 2, fingerprint & 0xffff);
    return this;
  }

  /** The finished message, a view of the builder's own memory: use a new builder for the next message. */
  toBytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** Reserves header and padded value, updates the message length, returns where the value starts. */
  private appendHeader(type: number, valueLength: number): number {
    const at = this.length;
    const start = at + ATTRIBUTE_HEADER_BYTES;
    const end = start + ((valueLength + 3) & ~3);
    if (end - STUN_HEADER_BYTES > MAX_ATTRIBUTES_BYTES) {
      throw new NatError('NAT_INVALID_ARGUMENT', 'The attributes do not fit one STUN message.');
    }
    if (end > this.buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.buffer.length * 2));
      larger.set(this.buffer);
      this.buffer = larger;
    }
    this.writeUint16(at, type);
    this.writeUint16(at + 2, valueLength);
    this.length = end;
    this.writeUint16(2, end - STUN_HEADER_BYTES);
    return start;
  }

  private writeUint16(offset: number, value: number): void {
    this.buffer[offset] = value >>> 8;
    this.buffer[offset + 1] = value & 0xff;
  }
}
