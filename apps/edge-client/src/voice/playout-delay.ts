import { FRAME_MS } from './voice-format.ts';

/** Packets that are remembered: 6 seconds, so that a base that grew by clock drift or a longer path is forgotten in time. */
const WINDOW = 300;

/** Of the packets in the window, how many should arrive in time. */
const IN_TIME_QUANTILE = 0.98;

/** Below these many packets the quantile says little. */
const SETTLED_AFTER = 25;
const UNSETTLED_TARGET_MS = 40;

export const MIN_TARGET_DELAY_MS = 20;
/** More delay than this hurts a conversation more than the loss that it would save (ITU-T G.114). */
export const MAX_TARGET_DELAY_MS = 400;

/** So many packets in a row that came later than any delay would help mean that the path itself is longer now. */
const LONGER_PATH_AFTER = 10;

/**
 * How long frames wait before they are played: the delay variation that all but a few of the recent packets stayed under.
 * Delays are "transits": arrival by our clock less the time of the frame by the sender's, so only their differences mean anything.
 */
export class PlayoutDelay {
  /** Wait one frame more, so that the packet with the copy of a lost frame is there in time. */
  awaitsRedundancy = false;
  private readonly recent: number[] = [];
  private readonly sorted: number[] = [];
  private beyondHelp = 0;

  addTransit(transitMs: number): void {
    if (this.sorted.length > 0 && transitMs - this.baseMs > MAX_TARGET_DELAY_MS) {
      this.beyondHelp += 1;
      if (this.beyondHelp < LONGER_PATH_AFTER) return;
      this.reset();
    }
    this.beyondHelp = 0;
    this.recent.push(transitMs);
    this.sorted.splice(this.rank(transitMs), 0, transitMs);
    const oldest = this.recent.length > WINDOW ? this.recent.shift() : undefined;
    if (oldest !== undefined) this.sorted.splice(this.rank(oldest), 1);
  }

  /** The transit of the fastest packet in the window. */
  get baseMs(): number {
    return this.sorted[0] ?? 0;
  }

  /** How long after the fastest packet could have arrived a frame is played. */
  get targetMs(): number {
    const last = this.sorted.length - 1;
    const quantile = this.sorted[Math.ceil(last * IN_TIME_QUANTILE)] ?? 0;
    const lookahead = this.awaitsRedundancy ? FRAME_MS : 0;
    const least = this.sorted.length < SETTLED_AFTER ? UNSETTLED_TARGET_MS : MIN_TARGET_DELAY_MS;
    return Math.min(MAX_TARGET_DELAY_MS, Math.max(least, quantile - this.baseMs + lookahead));
  }

  reset(): void {
    this.recent.length = 0;
    this.sorted.length = 0;
    this.beyondHelp = 0;
  }

  /** Place of the first entry that is not smaller. */
  private rank(value: number): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.sorted[middle] ?? Infinity) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
