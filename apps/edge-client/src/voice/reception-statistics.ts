import type { Instant } from '@parley/nat';
import type { ReportBlock } from './rtcp-packet.ts';
import { unwrapSequence } from './rtp-arithmetic.ts';
import { RTP_TICKS_PER_MS } from './voice-format.ts';

/** Weight of the newest difference in the jitter (RFC 3550 section 6.4.1). */
const JITTER_GAIN = 1 / 16;

const SEQUENCE_CYCLE = 0x10000;

const MAX_LOST = 0x7fffff;
const MIN_LOST = -0x800000;

/** What a receiver reports on one stream (RFC 3550 appendices A.3 and A.8). Repeated packets count as received, as there. */
export class ReceptionStatistics {
  received = 0;
  private first = 0;
  private highest = 0;
  private lastTransit: number | undefined;
  private jitter = 0;
  private expectedBefore = 0;
  private receivedBefore = 0;

  /** Counts a packet that belongs to the stream; returns its sequence number without wrap-around. */
  add(packet: { readonly sequenceNumber: number; readonly timestamp: number }, now: Instant): number {
    if (this.received === 0) {
      // one cycle ahead, so that packets from before the first one do not become negative
      this.first = packet.sequenceNumber + SEQUENCE_CYCLE;
      this.highest = this.first;
    }
    const sequence = unwrapSequence(this.highest, packet.sequenceNumber);
    this.highest = Math.max(this.highest, sequence);
    this.received += 1;

    const transit = (Math.round(now * RTP_TICKS_PER_MS) - packet.timestamp) | 0;
    if (this.lastTransit !== undefined) {
      const difference = Math.abs((transit - this.lastTransit) | 0);
      this.jitter += (difference - this.jitter) * JITTER_GAIN;
    }
    this.lastTransit = transit;
    return sequence;
  }

  /** Packets from the first to the highest that was seen. */
  get expected(): number {
    return this.received === 0 ? 0 : this.highest - this.first + 1;
  }

  /** Never negative. */
  get lost(): number {
    return Math.max(0, this.expected - this.received);
  }

  get jitterMs(): number {
    return this.jitter / RTP_TICKS_PER_MS;
  }

  /** The block for the next report; the fraction covers the time since the block before. */
  takeReportBlock(): Omit<ReportBlock, 'ssrc' | 'lastSenderReport' | 'delaySinceLastSenderReport'> {
    const expected = this.expected - this.expectedBefore;
    const lost = expected - (this.received - this.receivedBefore);
    this.expectedBefore = this.expected;
    this.receivedBefore = this.received;
    return {
      fractionLost: expected <= 0 || lost <= 0 ? 0 : Math.min(255, Math.floor((lost * 256) / expected)),
      cumulativeLost: Math.min(MAX_LOST, Math.max(MIN_LOST, this.expected - this.received)),
      highestSequence: (this.highest - SEQUENCE_CYCLE) >>> 0,
      jitter: Math.round(this.jitter),
    };
  }
}
