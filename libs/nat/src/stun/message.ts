/**
 * STUN messages as received (RFC 8489 section 5):
 *
 *     |0 0|     message type          |         message length        |
 *     |                         magic cookie                          |
 *     |                     transaction id (96 bits)                  |
 *     |   attribute type, length, value padded to 4 bytes, ...        |
 *
 * A {@link StunMessage} is a view of the received bytes, never a re-encoding: integrity and fingerprint are checked over
 * what the sender sent, padding included. Values are decoded when they are asked for.
 *
 * The structure is checked strictly: exact total length (no trailing bytes), no attribute beyond the end, at most 64
 * attributes, FINGERPRINT last. Of repeated attributes the first counts. Attributes after MESSAGE-INTEGRITY are not
 * covered by it, so only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT are visible there (sections 14.5, 14.6).
 */
import { AttributeType, isComprehensionRequired } from './attribute-type.ts';
import { decoded, refused, type AttributeCodec, type AttributeResult } from './attributes/attribute-codec.ts';
import { MAGIC_COOKIE } from './magic-cookie.ts';
import { decodeMessageClass, decodeMethod, type MessageClass } from './message-type.ts';

export const STUN_HEADER_BYTES = 20;
export const ATTRIBUTE_HEADER_BYTES = 4;
const MAX_ATTRIBUTES = 64;

export type StunDecodeReason =
  | 'too-short'
  | 'not-stun'
  | 'no-magic-cookie'
  | 'length-not-multiple-of-4'
  | 'length-mismatch'
  | 'attribute-overrun'
  | 'too-many-attributes'
  | 'attribute-after-fingerprint';

/** Either a message, or why the datagram is none and at which byte. */
export type StunDecodeResult =
  | { readonly ok: true; readonly message: StunMessage }
  | { readonly ok: false; readonly at: number; readonly reason: StunDecodeReason };

/** Where an attribute lies in the bytes of its message. */
export interface AttributePosition {
  readonly type: number;
  /** Index of the first byte of the value. */
  readonly offset: number;
  /** Length of the value without padding. */
  readonly length: number;
}

const NO_ATTRIBUTES: readonly AttributePosition[] = [];

export class StunMessage {
  readonly bytes: Uint8Array;
  readonly messageClass: MessageClass;
  readonly method: number;
  /** In the order of the message; what follows MESSAGE-INTEGRITY is left out, see the head of this file. */
  readonly attributes: readonly AttributePosition[];

  constructor(bytes: Uint8Array, type: number, attributes: readonly AttributePosition[]) {
    this.bytes = bytes;
    this.messageClass = decodeMessageClass(type);
    this.method = decodeMethod(type);
    this.attributes = attributes;
  }

  /** A view of the 12 bytes. */
  get transactionId(): Uint8Array {
    return this.bytes.subarray(8, STUN_HEADER_BYTES);
  }

  /** The first attribute of the type, if any. */
  find(type: number): AttributePosition | undefined {
    for (const attribute of this.attributes) {
      if (attribute.type === type) return attribute;
    }
    return undefined;
  }

  has(codec: { readonly type: number }): boolean {
    return this.find(codec.type) !== undefined;
  }

  /** The value of the first attribute of the codec's type; absence is a failure with the reason `absent`. */
  read<T>(codec: AttributeCodec<T>): AttributeResult<T> {
    const position = this.find(codec.type);
    return position === undefined
      ? refused('absent')
      : codec.decode(this.valueAt(position), this.transactionId);
  }

  /** The value, or `undefined` where the attribute is absent or malformed; use {@link read} where the difference matters. */
  get<T>(codec: AttributeCodec<T>): T | undefined {
    const result = this.read(codec);
    return result.ok ? result.value : undefined;
  }

  /** The values of all attributes of the codec's type (XOR-PEER-ADDRESS may repeat); fails if one of them is malformed. */
  readAll<T>(codec: AttributeCodec<T>): AttributeResult<readonly T[]> {
    const values: T[] = [];
    for (const position of this.attributes) {
      if (position.type !== codec.type) continue;
      const result = codec.decode(this.valueAt(position), this.transactionId);
      if (!result.ok) return result;
      values.push(result.value);
    }
    return decoded(values);
  }

  /** A view of the value as received. */
  valueAt(position: AttributePosition): Uint8Array {
    return this.bytes.subarray(position.offset, position.offset + position.length);
  }

  /** The comprehension-required types outside of `understood`, each once; a request that has any gets 420. */
  unknownAttributes(understood: ReadonlySet<number>): readonly number[] {
    let unknown: number[] | undefined;
    for (const { type } of this.attributes) {
      if (!isComprehensionRequired(type) || understood.has(type)) continue;
      unknown ??= [];
      if (!unknown.includes(type)) unknown.push(type);
    }
    return unknown ?? [];
  }
}

/** Whether a datagram claims to be STUN: first two bits zero and the magic cookie (RFC 8489 section 6.3, RFC 7983). */
export function looksLikeStun(bytes: Uint8Array): boolean {
  return bytes.length >= STUN_HEADER_BYTES && (bytes[0] as number) < 0x40 && hasMagicCookie(bytes);
}

/** Never throws, whatever the bytes are. The message keeps a reference to `bytes`, which must not change afterwards. */
export function decodeStunMessage(bytes: Uint8Array): StunDecodeResult {
  if (bytes.length < STUN_HEADER_BYTES) return failure(bytes.length, 'too-short');
  const type = readUint16(bytes, 0);
  if (type > 0x3fff) return failure(0, 'not-stun');
  if (!hasMagicCookie(bytes)) return failure(4, 'no-magic-cookie');
  const length = readUint16(bytes, 2);
  if (length % 4 !== 0) return failure(2, 'length-not-multiple-of-4');
  if (length + STUN_HEADER_BYTES !== bytes.length) return failure(2, 'length-mismatch');
  if (length === 0) return { ok: true, message: new StunMessage(bytes, type, NO_ATTRIBUTES) };
  return decodeAttributes(bytes, type);
}

function decodeAttributes(bytes: Uint8Array, messageType: number): StunDecodeResult {
  const attributes: AttributePosition[] = [];
  let seen = 0;
  let isFingerprintSeen = false;
  let integrityType = 0;
  // The total is a multiple of 4 and every step is too, so a whole attribute header is always left inside the loop.
  for (let at = STUN_HEADER_BYTES; at < bytes.length;) {
    if (isFingerprintSeen) return failure(at, 'attribute-after-fingerprint');
    seen += 1;
    if (seen > MAX_ATTRIBUTES) return failure(at, 'too-many-attributes');
    const type = readUint16(bytes, at);
    const length = readUint16(bytes, at + 2);
    const offset = at + ATTRIBUTE_HEADER_BYTES;
    const next = offset + ((length + 3) & ~3);
    if (next > bytes.length) return failure(at, 'attribute-overrun');
    if (isVisibleAfter(integrityType, type)) attributes.push({ type, offset, length });
    if (type === AttributeType.FINGERPRINT) isFingerprintSeen = true;
    if (isIntegrity(type) && integrityType !== AttributeType.MESSAGE_INTEGRITY_SHA256) integrityType = type;
    at = next;
  }
  return { ok: true, message: new StunMessage(bytes, messageType, attributes) };
}

function isIntegrity(type: number): boolean {
  return type === AttributeType.MESSAGE_INTEGRITY || type === AttributeType.MESSAGE_INTEGRITY_SHA256;
}

function isVisibleAfter(integrityType: number, type: number): boolean {
  if (integrityType === 0 || type === AttributeType.FINGERPRINT) return true;
  return integrityType === AttributeType.MESSAGE_INTEGRITY && type === AttributeType.MESSAGE_INTEGRITY_SHA256;
}

function failure(at: number, reason: StunDecodeReason): StunDecodeResult {
  return { ok: false, at, reason };
}

function readUint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
}

function hasMagicCookie(bytes: Uint8Array): boolean {
  return ((readUint16(bytes, 4) << 16) | readUint16(bytes, 6)) >>> 0 === MAGIC_COOKIE;
}
