import { transmissionRating } from './e-model.ts';
import { FRAME_MS } from './voice-format.ts';

/** Packets that are remembered: 5 seconds, so that a base that grew by clock drift or a longer path is forgotten in time. */
const WINDOW = 250;

/**
 * What a packet counts for, against the one after it: half after 0.7 seconds. So a single stall of a busy sender, which shows in a
 * row of packets, is not paid for with delay long after it.
 */
const FORGET_FACTOR = 0.98;

/** Width of a step of the target. */
const STEP_MS = 5;

/** What is added to the target on the way from mouth to ear, as far as it matters here: a path of 50 ms, the frame, the codec. */
const DELAY_BESIDES_MS = 76.5;

/** Below these many packets the variation says little. */
const SETTLED_AFTER = 25;
const UNSETTLED_TARGET_MS = 40;

export const MIN_TARGET_DELAY_MS = 20;
/** More delay than this hurts a conversation more than the loss that it would save (ITU-T G.114). */
export const MAX_TARGET_DELAY_MS = 400;

/** So many packets in a row that came later than any delay would help mean that the path itself is longer now. */
const LONGER_PATH_AFTER = 10;

/**
 * How long frames wait before they are played: as long as makes the call sound best by the E-model, which weighs the delay against
 * the recent packets that would come too late for it. Delays are "transits": arrival by our clock less the time of the frame by the
 * sender's, so only their differences mean anything.
 */
export class PlayoutDelay {
  /** Wait one frame more, so that the packet with the copy of a lost frame is there in time. */
  awaitsRedundancy = false;
  private readonly recent: number[] = [];
  private readonly weights = new Float64Array(MAX_TARGET_DELAY_MS / STEP_MS + 1);
  private base = 0;
  private best = 0;
  private beyondHelp = 0;

  addTransit(transitMs: number): void {
    if (this.recent.length > 0 && transitMs - this.base > MAX_TARGET_DELAY_MS) {
      this.beyondHelp += 1;
      if (this.beyondHelp < LONGER_PATH_AFTER) return;
      this.reset();
    }
    this.beyondHelp = 0;
    this.recent.push(transitMs);
    if (this.recent.length > WINDOW) this.recent.shift();
    this.base = Math.min(...this.recent);
    this.best = this.bestDelay();
  }

  /** The transit of the fastest packet in the window. */
  get baseMs(): number {
    return this.base;
  }

  /** How long after the fastest packet could have arrived a frame is played. */
  get targetMs(): number {
    const lookahead = this.awaitsRedundancy ? FRAME_MS : 0;
    const least = this.recent.length < SETTLED_AFTER ? UNSETTLED_TARGET_MS : MIN_TARGET_DELAY_MS;
    return Math.min(MAX_TARGET_DELAY_MS, Math.max(least, this.best + lookahead));
  }

  reset(): void {
    this.recent.length = 0;
    this.base = 0;
    this.best = 0;
    this.beyondHelp = 0;
  }

  /** Each step of delay is tried against what the packets weigh that it would leave behind. */
  private bestDelay(): number {
    this.weights.fill(0);
    const last = this.weights.length - 1;
    let late = 0;
    for (let at = this.recent.length - 1, weight = 1; at >= 0; at -= 1, weight *= FORGET_FACTOR) {
      const steps = ((this.recent[at] ?? 0) - this.base + STEP_MS - 1) / STEP_MS;
      const slot = steps < last ? steps | 0 : last;
      this.weights[slot] = (this.weights[slot] ?? 0) + weight;
      late += weight;
    }
    const all = late;
    let best = 0;
    let bestRating = -Infinity;
    for (let step = 0; step < this.weights.length; step += 1) {
      const weight = this.weights[step] ?? 0;
      if (weight === 0) continue; // more delay for no more packets
      late -= weight;
      const rating = transmissionRating({
        delayMs: DELAY_BESIDES_MS + step * STEP_MS,
        lossFraction: Math.max(0, late / all),
        burstRatio: 1,
      });
      if (rating <= bestRating) continue;
      best = step * STEP_MS;
      bestRating = rating;
    }
    return best;
  }
}
