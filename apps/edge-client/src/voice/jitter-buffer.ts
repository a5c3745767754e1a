import type { Instant } from '@parley/nat';
import { opusPacketHasRedundancy } from './opus-packet.ts';
import type { PlayoutDecision, StoreOutcome } from './playout-decision.ts';
import { PlayoutDelay } from './playout-delay.ts';
import { PlayoutTally, type PlayoutCounts } from './playout-tally.ts';
import { FRAME_MS } from './voice-format.ts';

/** Frames ahead of the one due that are kept: 1.28 s, three times what the largest delay needs. */
export const CAPACITY_FRAMES = 64;

/** Frames behind the one due that are still this stream's; beyond it the sender has begun anew. */
const PAST_FRAMES = 250;

/** In frames: how far playout may be from its target before it is moved. Apart enough that one move does not ask for the other. */
const TOO_EARLY = -0.5;
const TOO_LATE = 1.25;

/** A move at most every so many frames, unless playout is far behind. */
const MOVE_EVERY = 5;
const FAR_BEHIND = 5;
/** Behind by this much (a stalled process, a path that became much shorter) playout jumps. */
const JUMP_BEHIND = 25;

const SILENCE_AFTER = 10;

/** Frames for which playout waits when nothing is there: what comes later than that is an interruption, and not heard any more. */
const WAITS_FRAMES = 25;

/** How many of 256 recent frames have to be lost for the extra delay that recovery costs to be worth it. */
const LOSS_GAIN = 1 / 256;
const RECOVERY_WORTH_LOSS = 1 / 256;
/** The first losses of a call are recovered too; a path without any is trusted after some seconds. */
const LOSS_AT_START = 2 / 256;

/**
 * An adaptive jitter buffer: frames in by number, one decision every 20 ms. Frame `i` is due at
 * `base + i * 20 ms + target`, where the base follows the fastest recent packets (and so the drift between the two clocks) and the
 * target follows their variation.
 */
export class JitterBuffer {
  private readonly delay = new PlayoutDelay();
  private readonly tally = new PlayoutTally();
  private readonly frames = new Map<number, Uint8Array>();
  /** Frames that came with a later one, in case their own packet does not come. */
  private readonly copies = new Map<number, Uint8Array>();
  /** Numbers of the frames that were played lately, to tell a repeated packet from a late one. */
  private readonly heard = new Set<number>();
  private next: number | undefined;
  private highest = -Infinity;
  private strayed: number | undefined;
  private missedInARow = 0;
  /** Frames concealed while nothing was there, so that nobody knows whether the next one is lost or late. */
  private waited = 0;
  private sinceMove = MOVE_EVERY;
  private recentLoss = LOSS_AT_START;

  /**
   * Takes frame number `index` (any integer; consecutive frames differ by one). Keeps `payload`. It arrived at `now`, or at an
   * unknown time from `since` on, when this process was too busy to look.
   */
  store(index: number, payload: Uint8Array, now: Instant, since = now): StoreOutcome {
    if (this.next !== undefined && this.isOutside(index, this.next)) {
      // one frame out of nowhere is refused, a second one near it means that the sender has begun anew (RFC 3550 appendix A.1)
      const isSecond = this.strayed !== undefined && !this.isOutside(index, this.strayed);
      this.strayed = index;
      if (!isSecond) return this.tally.countStore('out-of-window');
      this.restart();
    }
    this.strayed = undefined;
    if (
      this.next === undefined &&
      this.frames.size > 0 &&
      this.isOutside(index, Math.min(...this.frames.keys()))
    ) {
      this.restart();
    }
    if (this.frames.has(index) || this.heard.has(index)) return this.tally.countStore('duplicate');
    this.learn(now - index * FRAME_MS, since - index * FRAME_MS);
    if (this.next !== undefined && index > this.highest && this.waited === 0) this.tally.confirmLosses();
    this.highest = Math.max(this.highest, index);
    if (this.next !== undefined && index < this.next) return this.tally.countStore('late');
    this.frames.set(index, payload);
    return this.tally.countStore('stored');
  }

  /** Takes a copy of frame `index`, which came with a later frame that was stored. Keeps `payload`. */
  storeCopy(index: number, payload: Uint8Array): void {
    const first = this.next ?? Math.min(...this.frames.keys());
    if (index >= first && index < first + CAPACITY_FRAMES) this.copies.set(index, payload);
  }

  /**
   * The decision for the 20 ms that begin at `due`. Later than that, what is there is played at once, but nothing is made up for
   * what is not: that time is over.
   */
  decide(due: Instant, now = due): PlayoutDecision {
    if (this.next === undefined) {
      if (this.frames.size === 0) return { kind: 'idle' };
      const first = Math.min(...this.frames.keys());
      if (this.behind(first, due) < 0) return { kind: 'idle' };
      this.next = first;
    }
    if (this.frames.size === 0 && now - due >= FRAME_MS) {
      this.tally.countStalled();
      return { kind: 'idle' };
    }
    if (this.waited > 0 && this.frames.size > 0) this.next = this.goOn(this.next);
    this.sinceMove += 1;
    let behind = this.behind(this.next, due);
    if (behind > JUMP_BEHIND && this.frames.size > 0) {
      this.jump(this.next, this.next + Math.floor(behind));
      behind = this.behind(this.next, due);
    }
    const decision = this.decisionFor(this.next, behind);
    this.tally.countDecision(decision.kind, this.next <= this.highest);
    if (decision.kind !== 'silence') this.tally.addDelay(behind * FRAME_MS + this.delay.targetMs + now - due);
    return decision;
  }

  get counts(): PlayoutCounts {
    return this.tally.counts;
  }

  /** What playout aims at, above the delay of the fastest packet. */
  get targetDelayMs(): number {
    return this.delay.targetMs;
  }

  /** Frames that wait. */
  get depth(): number {
    return this.frames.size;
  }

  private decisionFor(index: number, behind: number): PlayoutDecision {
    const payload = this.frames.get(index);
    const following = this.frames.get(index + 1);
    if (payload !== undefined) {
      this.missedInARow = 0;
      const mayMove = this.sinceMove >= MOVE_EVERY;
      if (behind < TOO_EARLY && mayMove) return this.moved({ kind: 'insert' });
      this.advance(index, true);
      if (behind > TOO_LATE && following !== undefined && (mayMove || behind > FAR_BEHIND)) {
        this.advance(index + 1, true);
        return this.moved({ kind: 'merge', payloads: [payload, following] });
      }
      return { kind: 'play', payload };
    }
    if (following !== undefined && opusPacketHasRedundancy(following)) {
      this.missedInARow = 0;
      this.advance(index, false);
      return { kind: 'recover', next: following };
    }
    const copy = this.copies.get(index);
    if (copy !== undefined) {
      this.missedInARow = 0;
      this.advance(index, false);
      return { kind: 'restore', payload: copy };
    }
    this.missedInARow += 1;
    // it may still come, and there is time to wait for it
    if (behind < 0 && following === undefined) return this.moved({ kind: 'insert' });
    if (this.frames.size > 0 || this.missedInARow > WAITS_FRAMES) this.advance(index + this.giveUp(), false);
    else this.waited += 1;
    return { kind: this.missedInARow > SILENCE_AFTER ? 'silence' : 'conceal' };
  }

  /** Something came after a wait. Of what is missing before it, as many frames are lost as were concealed; the rest was late. */
  private goOn(index: number): number {
    const missing = Math.min(...this.frames.keys()) - index;
    const lost = Math.min(missing, this.waited);
    this.tally.settleWait(lost, this.waited - lost);
    for (let each = 0; each < lost; each += 1) this.advance(index + each, false);
    this.waited = 0;
    return index + lost;
  }

  /** What was waited for will not be played any more; returns how many frames that is. */
  private giveUp(): number {
    const { waited } = this;
    this.waited = 0;
    return waited;
  }

  /** Learns from a packet unless it came while we were busy, and may have been in time. */
  private learn(transitMs: number, leastMs: number): void {
    const isOnlyLateHere =
      transitMs > this.delay.baseMs && leastMs <= this.delay.baseMs + this.delay.targetMs;
    if (leastMs < transitMs && isOnlyLateHere && this.highest > -Infinity) return;
    this.delay.addTransit(leastMs > this.delay.baseMs && this.highest > -Infinity ? leastMs : transitMs);
  }

  private moved(decision: PlayoutDecision): PlayoutDecision {
    this.sinceMove = 0;
    return decision;
  }

  private advance(index: number, wasReceived: boolean): void {
    this.frames.delete(index);
    this.copies.delete(index);
    if (wasReceived) this.heard.add(index);
    this.heard.delete(index - PAST_FRAMES);
    this.next = index + 1;
    this.recentLoss += ((wasReceived ? 0 : 1) - this.recentLoss) * LOSS_GAIN;
    this.delay.awaitsRedundancy = this.recentLoss > RECOVERY_WORTH_LOSS;
  }

  private jump(from: number, to: number): void {
    for (const kept of [this.frames, this.copies]) {
      for (const index of kept.keys()) if (index < to) kept.delete(index);
    }
    for (const index of this.heard) if (index < to - PAST_FRAMES) this.heard.delete(index);
    this.tally.countSkipped(to - from);
    this.next = to;
  }

  /** Frames by which `index` is overdue; negative when it is not due yet. */
  private behind(index: number, now: Instant): number {
    return (now - this.delay.baseMs - this.delay.targetMs) / FRAME_MS - index;
  }

  private isOutside(index: number, next: number): boolean {
    return index < next - PAST_FRAMES || index >= next + CAPACITY_FRAMES;
  }

  private restart(): void {
    this.delay.reset();
    this.frames.clear();
    this.copies.clear();
    this.heard.clear();
    this.next = undefined;
    this.highest = -Infinity;
    this.missedInARow = 0;
    this.waited = 0;
    this.tally.countRestart();
  }
}
