/**
 * Sender and receiver reports (RFC 3550 sections 6.4.1 and 6.4.2) of one voice stream in each direction.
 *
 * ```
 * |V=2|P|   RC    |  PT=200 or 201 |            length            |
 * |                        SSRC of sender                         |
 * | sender report only: NTP time (64), RTP time, packets, octets  |
 * | report blocks (RC times): SSRC, lost, highest, jitter, LSR, DLSR |
 * ```
 *
 * Reports travel alone, without the SDES packet of a compound one (RFC 5506): the session has named and authenticated both
 * ends. Other packets of a compound datagram are skipped by their length.
 */
export interface ReportBlock {
  /** The stream that is reported on. */
  readonly ssrc: number;
  /** Lost since the last report, in 256ths of what was expected. */
  readonly fractionLost: number;
  /** Since the beginning; negative when duplicates outnumber losses. */
  readonly cumulativeLost: number;
  readonly highestSequence: number;
  /** Mean deviation of the inter-arrival time, in ticks of the RTP clock. */
  readonly jitter: number;
  /** The middle 32 bits of the NTP time of the last sender report, 0 when there was none. */
  readonly lastSenderReport: number;
  /** Between that report and this one, in 65536ths of a second. */
  readonly delaySinceLastSenderReport: number;
}

export interface SenderTime {
  /** Any clock of the sender's (RFC 3550 section 4 allows its up-time): whole seconds and 2^-32 of them. */
  readonly ntpSeconds: number;
  readonly ntpFraction: number;
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  readonly octetCount: number;
}

export interface RtcpReport {
  readonly ssrc: number;
  /** Present in a sender report. */
  readonly sender?: SenderTime;
  readonly blocks: readonly ReportBlock[];
}

export type RtcpFailureReason = 'too-short' | 'wrong-version' | 'bad-length' | 'no-report';

export type RtcpResult =
  | { readonly ok: true; readonly reports: readonly RtcpReport[] }
  | { readonly ok: false; readonly at: number; readonly reason: RtcpFailureReason };

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const VERSION = 2;
const HEADER_BYTES = 8;
const SENDER_BYTES = 20;
const BLOCK_BYTES = 24;
const COUNT_MASK = 0x1f;

/** `blocks` holds at most 31. */
export function encodeRtcpReport({ ssrc, sender, blocks }: RtcpReport): Uint8Array {
  const senderBytes = sender === undefined ? 0 : SENDER_BYTES;
  const bytes = new Uint8Array(HEADER_BYTES + senderBytes + blocks.length * BLOCK_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, (VERSION << 6) | (blocks.length & COUNT_MASK));
  view.setUint8(1, sender === undefined ? RECEIVER_REPORT : SENDER_REPORT);
  view.setUint16(2, bytes.length / 4 - 1);
  view.setUint32(4, ssrc);
  if (sender !== undefined) {
    view.setUint32(8, sender.ntpSeconds);
    view.setUint32(12, sender.ntpFraction);
    view.setUint32(16, sender.rtpTimestamp);
    view.setUint32(20, sender.packetCount);
    view.setUint32(24, sender.octetCount);
  }
  let at = HEADER_BYTES + senderBytes;
  for (const block of blocks) {
    view.setUint32(at, block.ssrc);
    view.setUint32(at + 4, ((block.fractionLost & 0xff) << 24) | (block.cumulativeLost & 0xffffff));
    view.setUint32(at + 8, block.highestSequence);
    view.setUint32(at + 12, block.jitter);
    view.setUint32(at + 16, block.lastSenderReport);
    view.setUint32(at + 20, block.delaySinceLastSenderReport);
    at += BLOCK_BYTES;
  }
  return bytes;
}

export function decodeRtcp(bytes: Uint8Array): RtcpResult {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const reports: RtcpReport[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 4 > bytes.length) return failure(at, 'too-short');
    if (view.getUint8(at) >> 6 !== VERSION) return failure(at, 'wrong-version');
    const end = at + (view.getUint16(at + 2) + 1) * 4;
    if (end > bytes.length) return failure(at + 2, 'bad-length');
    const type = view.getUint8(at + 1);
    if (type === SENDER_REPORT || type === RECEIVER_REPORT) {
      const report = decodeReport(view, at, end);
      if (report === undefined) return failure(at, 'bad-length');
      reports.push(report);
    }
    at = end;
  }
  return reports.length > 0 ? { ok: true, reports } : failure(0, 'no-report');
}

/** Undefined when the packet is shorter than what its count of blocks needs. */
function decodeReport(view: DataView, at: number, end: number): RtcpReport | undefined {
  const isSenderReport = view.getUint8(at + 1) === SENDER_REPORT;
  const count = view.getUint8(at) & COUNT_MASK;
  const firstBlock = at + HEADER_BYTES + (isSenderReport ? SENDER_BYTES : 0);
  if (firstBlock + count * BLOCK_BYTES > end) return undefined;
  const blocks = Array.from({ length: count }, (_, index) =>
    decodeBlock(view, firstBlock + index * BLOCK_BYTES),
  );
  const ssrc = view.getUint32(at + 4);
  if (!isSenderReport) return { ssrc, blocks };
  const sender = {
    ntpSeconds: view.getUint32(at + 8),
    ntpFraction: view.getUint32(at + 12),
    rtpTimestamp: view.getUint32(at + 16),
    packetCount: view.getUint32(at + 20),
    octetCount: view.getUint32(at + 24),
  };
  return { ssrc, sender, blocks };
}

function decodeBlock(view: DataView, at: number): ReportBlock {
  const lost = view.getUint32(at + 4);
  return {
    ssrc: view.getUint32(at),
    fractionLost: lost >>> 24,
    cumulativeLost: (lost << 8) >> 8, // 24 bits, signed
    highestSequence: view.getUint32(at + 8),
    jitter: view.getUint32(at + 12),
    lastSenderReport: view.getUint32(at + 16),
    delaySinceLastSenderReport: view.getUint32(at + 20),
  };
}

function failure(at: number, reason: RtcpFailureReason): RtcpResult {
  return { ok: false, at, reason };
}
