import { PAYLOAD_TYPE } from './voice-format.ts';

/**
 * RTP payloads that carry copies of earlier ones (RFC 2198 section 3): a header of four bytes for each copy, the oldest first, one
 * byte for the payload itself, then all of them in this order.
 *
 * ```
 * |1|   PT (7)    |   timestamp offset (14)   | length (10) |     a copy of what was sent so many ticks before
 * |0|   PT (7)    |                                               the payload of this packet
 * ```
 */
export interface RedundantPayload {
  /** Views into the bytes that were decoded. */
  readonly primary: Uint8Array;
  readonly copies: readonly PayloadCopy[];
}

export interface PayloadCopy {
  /** RTP ticks before the packet's own timestamp. */
  readonly ticksBefore: number;
  readonly payload: Uint8Array;
}

const COPY_HEADER_BYTES = 4;
const PRIMARY_HEADER_BYTES = 1;
const FOLLOWS_FLAG = 0x80;
const PAYLOAD_TYPE_MASK = 0x7f;
const LENGTH_BITS = 10;
const MAX_TICKS_BEFORE = 2 ** 14 - 1;
export const MAX_COPY_BYTES = 2 ** LENGTH_BITS - 1;

/** One copy before the payload. Its offset and length fit their fields, see {@link MAX_COPY_BYTES}. */
export function encodeRedundantPayload(
  primary: Uint8Array,
  { ticksBefore, payload }: PayloadCopy,
): Uint8Array {
  const headers = COPY_HEADER_BYTES + PRIMARY_HEADER_BYTES;
  const bytes = new Uint8Array(headers + payload.length + primary.length);
  const view = new DataView(bytes.buffer);
  const header =
    (FOLLOWS_FLAG | PAYLOAD_TYPE.opus) * 2 ** 24 +
    Math.min(MAX_TICKS_BEFORE, ticksBefore) * 2 ** LENGTH_BITS +
    payload.length;
  view.setUint32(0, header);
  view.setUint8(COPY_HEADER_BYTES, PAYLOAD_TYPE.opus);
  bytes.set(payload, headers);
  bytes.set(primary, headers + payload.length);
  return bytes;
}

/** Undefined when the bytes are no such payload, or what they carry is not all Opus. */
export function decodeRedundantPayload(bytes: Uint8Array): RedundantPayload | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headers: { ticksBefore: number; length: number }[] = [];
  let at = 0;
  for (;;) {
    const first = bytes[at];
    if (first === undefined || (first & PAYLOAD_TYPE_MASK) !== PAYLOAD_TYPE.opus) return undefined;
    if ((first & FOLLOWS_FLAG) === 0) break;
    if (at + COPY_HEADER_BYTES > bytes.length) return undefined;
    const header = view.getUint32(at);
    headers.push({
      ticksBefore: (header >>> LENGTH_BITS) & MAX_TICKS_BEFORE,
      length: header & MAX_COPY_BYTES,
    });
    at += COPY_HEADER_BYTES;
  }
  at += PRIMARY_HEADER_BYTES;
  const copies = headers.map(({ ticksBefore, length }): PayloadCopy => {
    const payload = bytes.subarray(at, at + length);
    at += length;
    return { ticksBefore, payload };
  });
  return at < bytes.length ? { primary: bytes.subarray(at), copies } : undefined;
}
