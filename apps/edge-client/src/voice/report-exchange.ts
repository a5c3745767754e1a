import type { Instant } from '@parley/nat';
import type { ReportBlock, SenderTime } from './rtcp-packet.ts';
import { ntpTime } from './voice-sender.ts';

/** Units of DLSR and of the short NTP time, per millisecond. */
const UNITS_PER_MS = 65_536 / 1_000;

/** Weight of the newest round trip. */
const ROUND_TRIP_GAIN = 1 / 8;

/** Outside of these such a report answers something else; slightly negative ones come from clocks of different rate. */
const MIN_ROUND_TRIP_MS = -100;
const MAX_ROUND_TRIP_MS = 60_000;

/** Measures the round trip from the sender reports of both ends (RFC 3550 section 6.4.1, figure 2). */
export class ReportExchange {
  /** Smoothed; undefined until the other end has answered a sender report. */
  roundTripMs: number | undefined;
  private lastReport: { readonly shortTime: number; readonly at: Instant } | undefined;

  takeSenderReport(sender: SenderTime, now: Instant): void {
    this.lastReport = { shortTime: shortNtpTime(sender), at: now };
  }

  /** What a block of ours says about the last sender report of the other end. */
  answer(now: Instant): Pick<ReportBlock, 'lastSenderReport' | 'delaySinceLastSenderReport'> {
    if (this.lastReport === undefined) return { lastSenderReport: 0, delaySinceLastSenderReport: 0 };
    const delay = Math.round((now - this.lastReport.at) * UNITS_PER_MS);
    return { lastSenderReport: this.lastReport.shortTime, delaySinceLastSenderReport: delay >>> 0 };
  }

  /** Takes a block on our stream; it gives a round trip when it answers a sender report of ours. */
  takeAnswer(block: ReportBlock, now: Instant): void {
    if (block.lastSenderReport === 0) return;
    const units =
      (shortNtpTime(ntpTime(now)) - block.lastSenderReport - block.delaySinceLastSenderReport) | 0;
    const difference = units / UNITS_PER_MS;
    if (difference < MIN_ROUND_TRIP_MS || difference > MAX_ROUND_TRIP_MS) return;
    const measured = Math.max(0, difference);
    this.roundTripMs =
      this.roundTripMs === undefined
        ? measured
        : this.roundTripMs + (measured - this.roundTripMs) * ROUND_TRIP_GAIN;
  }
}

/** The middle 32 bits of an NTP time. */
function shortNtpTime({ ntpSeconds, ntpFraction }: Pick<SenderTime, 'ntpSeconds' | 'ntpFraction'>): number {
  return ((ntpSeconds << 16) | (ntpFraction >>> 16)) >>> 0;
}
