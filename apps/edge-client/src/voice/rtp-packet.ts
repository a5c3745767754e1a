/**
 * RTP data packets (RFC 3550 section 5.1).
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 * |                           timestamp                           |
 * |                             SSRC                              |
 * |          CSRC (CC times), extension (when X), payload         |
 * ```
 *
 * Contributing sources and header extensions of others are skipped, padding is taken off; none of them is ever sent.
 */
export interface RtpPacket {
  /** The first packet after silence (RFC 3551 section 4.1). */
  readonly marker: boolean;
  readonly payloadType: number;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly ssrc: number;
  /** A view into the datagram. */
  readonly payload: Uint8Array;
}

export type RtpFailureReason =
  'too-short' | 'wrong-version' | 'truncated-header' | 'bad-padding' | 'empty-payload';

export type RtpResult =
  | { readonly ok: true; readonly packet: RtpPacket }
  | { readonly ok: false; readonly at: number; readonly reason: RtpFailureReason };

export const RTP_HEADER_BYTES = 12;

const VERSION = 2;
const PADDING_FLAG = 0x20;
const EXTENSION_FLAG = 0x10;
const CSRC_COUNT_MASK = 0x0f;
const MARKER_FLAG = 0x80;
const PAYLOAD_TYPE_MASK = 0x7f;

/** Range of the second byte that belongs to RTCP where both share a channel (RFC 5761 section 4). */
const RTCP_FIRST = 192;
const RTCP_LAST = 223;

/** What a datagram claims to be; only the decoder of that kind knows whether it is true. */
export function classifyDatagram(bytes: Uint8Array): 'rtp' | 'rtcp' | 'other' {
  const [first, second] = bytes;
  if (first === undefined || second === undefined || first >> 6 !== VERSION) return 'other';
  return second >= RTCP_FIRST && second <= RTCP_LAST ? 'rtcp' : 'rtp';
}

export function encodeRtpPacket(packet: RtpPacket): Uint8Array {
  const bytes = new Uint8Array(RTP_HEADER_BYTES + packet.payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION << 6);
  view.setUint8(1, (packet.marker ? MARKER_FLAG : 0) | (packet.payloadType & PAYLOAD_TYPE_MASK));
  view.setUint16(2, packet.sequenceNumber);
  view.setUint32(4, packet.timestamp);
  view.setUint32(8, packet.ssrc);
  bytes.set(packet.payload, RTP_HEADER_BYTES);
  return bytes;
}

export function decodeRtpPacket(bytes: Uint8Array): RtpResult {
  if (bytes.length < RTP_HEADER_BYTES) return failure(bytes.length, 'too-short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const first = view.getUint8(0);
  if (first >> 6 !== VERSION) return failure(0, 'wrong-version');

  let start = RTP_HEADER_BYTES + (first & CSRC_COUNT_MASK) * 4;
  if ((first & EXTENSION_FLAG) !== 0) {
    if (start + 4 > bytes.length) return failure(start, 'truncated-header');
    start += 4 + view.getUint16(start + 2) * 4;
  }
  if (start > bytes.length) return failure(bytes.length, 'truncated-header');

  let end = bytes.length;
  if ((first & PADDING_FLAG) !== 0) {
    const padding = view.getUint8(end - 1);
    if (padding === 0 || padding > end - start) return failure(end - 1, 'bad-padding');
    end -= padding;
  }
  if (end === start) return failure(start, 'empty-payload');

  const second = view.getUint8(1);
  return {
    ok: true,
    packet: {
      marker: (second & MARKER_FLAG) !== 0,
      payloadType: second & PAYLOAD_TYPE_MASK,
      sequenceNumber: view.getUint16(2),
      timestamp: view.getUint32(4),
      ssrc: view.getUint32(8),
      payload: bytes.subarray(start, end),
    },
  };
}

function failure(at: number, reason: RtpFailureReason): RtpResult {
  return { ok: false, at, reason };
}
