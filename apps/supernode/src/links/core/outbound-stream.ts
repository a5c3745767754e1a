import type { SequencedMessage } from './link-frame.ts';
import type { LinkLimits } from './link-limits.ts';

/** Deadlines are looked at in steps of this many milliseconds, so that a long queue is not searched for every message. */
const DEADLINE_STEP_MS = 50;
/** Settled entries that may stay at the front of a queue before it is copied. */
const CUT_AFTER = 1024;

interface Entry {
  /** For the sender of the message. */
  readonly id: number;
  /** Null when it was given up: its number is skipped. */
  body: string | null;
  readonly deadlineAt: number;
  /** Whether the receiver may have it. */
  wasSent: boolean;
}

/** What of a stream goes into one frame. */
export interface FramePart {
  readonly base: number;
  readonly messages: readonly SequencedMessage<string>[];
  /** How many of them were sent before. */
  readonly repeated: number;
}

/**
 * The numbered messages to one incarnation of a supernode. Message n is settled when it was acknowledged or given up, and
 * all before it are; what is not settled is sent again.
 */
export class OutboundStream {
  private entries: Entry[] = [];
  /** Settled entries at the front of `entries`, cut off now and then. */
  private settled = 0;
  /** Number of the first entry that is not settled. */
  private baseNow = 1;
  /** Entries from the first unsettled one on that were sent since the last timeout. */
  private inFlight = 0;
  /** Nothing arrives: one frame at a time, until something does. */
  private isProbing = false;
  private bytes = 0;
  private retransmitMs: number;
  private retransmitAt = Infinity;
  private expiresAt = Infinity;

  constructor(private readonly limits: LinkLimits) {
    this.retransmitMs = limits.retransmitMs;
  }

  get base(): number {
    return this.baseNow;
  }

  /** Messages that are not settled. */
  get length(): number {
    return this.entries.length - this.settled;
  }

  get nextTimeoutAt(): number {
    return Math.min(this.retransmitAt, this.expiresAt);
  }

  get hasUnsent(): boolean {
    return this.inFlight < Math.min(this.length, this.window);
  }

  /** False when there is no room. */
  push(id: number, body: string, deadlineAt: number): boolean {
    const { maxQueued, maxQueuedBytes } = this.limits;
    if (this.length >= maxQueued || this.bytes + body.length > maxQueuedBytes) return false;
    const stepped = Math.ceil(deadlineAt / DEADLINE_STEP_MS) * DEADLINE_STEP_MS;
    this.entries.push({ id, body, deadlineAt: stepped, wasSent: false });
    this.bytes += body.length;
    this.expiresAt = Math.min(this.expiresAt, stepped);
    return true;
  }

  /** The next messages for one frame; called again while there are some. */
  take(now: number): FramePart {
    const { maxFrameMessages, maxFrameBytes } = this.limits;
    const messages: SequencedMessage<string>[] = [];
    let [bytes, repeated] = [0, 0];
    while (this.hasUnsent && messages.length < maxFrameMessages && bytes < maxFrameBytes) {
      const entry = this.entries[this.settled + this.inFlight];
      if (!entry) break;
      messages.push([this.baseNow + this.inFlight, entry.body]);
      bytes += entry.body?.length ?? 0;
      if (entry.wasSent) repeated += 1;
      entry.wasSent = true;
      this.inFlight += 1;
    }
    if (messages.length > 0) this.retransmitAt = Math.min(this.retransmitAt, now + this.retransmitMs);
    return { base: this.baseNow, messages, repeated };
  }

  /** The receiver has all up to `sequence`; the ids of what it had not acknowledged before. */
  acknowledge(sequence: number, now: number): number[] {
    const arrived = Math.min(sequence - this.baseNow + 1, this.length);
    if (arrived <= 0) return [];
    const settled = this.settle(arrived);
    this.isProbing = false;
    this.retransmitMs = this.limits.retransmitMs;
    this.retransmitAt = this.inFlight > 0 ? now + this.retransmitMs : Infinity;
    return settled;
  }

  /** Whether all on its way must be sent again, since nothing arrived for too long. */
  timeOut(now: number): boolean {
    if (this.retransmitAt > now) return false;
    this.retransmitAt = Infinity;
    this.retransmitMs = Math.min(2 * this.retransmitMs, this.limits.maxRetransmitMs);
    this.isProbing = true;
    this.inFlight = 0;
    return this.length > 0;
  }

  /** Gives up what passed its deadline; the ids of it. */
  expire(now: number): number[] {
    if (this.expiresAt > now) return [];
    return this.giveUp((entry) => entry.deadlineAt <= now);
  }

  /** Gives up everything. */
  abandon(): number[] {
    return this.giveUp(() => true);
  }

  /**
   * The receiver started anew and knows nothing: what the earlier one may have handled is given up, the rest is numbered
   * anew from `firstSequence`. Gives the ids of the former.
   */
  restart(firstSequence: number): number[] {
    const lost = this.giveUp((entry) => entry.wasSent);
    this.entries = this.entries.slice(this.settled).filter(({ body }) => body !== null);
    this.settled = 0;
    this.baseNow = firstSequence;
    this.inFlight = 0;
    this.isProbing = false;
    this.retransmitMs = this.limits.retransmitMs;
    this.retransmitAt = Infinity;
    return lost;
  }

  private get window(): number {
    return this.isProbing ? this.limits.maxFrameMessages : this.limits.window;
  }

  private giveUp(isLost: (entry: Entry) => boolean): number[] {
    const lost: number[] = [];
    this.expiresAt = Infinity;
    for (let at = this.settled; at < this.entries.length; at += 1) {
      const entry = this.entries[at];
      if (!entry || entry.body === null) continue;
      if (isLost(entry)) {
        lost.push(entry.id);
        this.bytes -= entry.body.length;
        entry.body = null;
      } else this.expiresAt = Math.min(this.expiresAt, entry.deadlineAt);
    }
    let leading = 0;
    while (leading < this.length && this.entries[this.settled + leading]?.body === null) leading += 1;
    this.settle(leading);
    return lost;
  }

  /** The ids of the messages among the first `count` entries. */
  private settle(count: number): number[] {
    const ids: number[] = [];
    for (let at = this.settled; at < this.settled + count; at += 1) {
      const entry = this.entries[at];
      if (!entry || entry.body === null) continue;
      this.bytes -= entry.body.length;
      ids.push(entry.id);
    }
    this.settled += count;
    this.baseNow += count;
    this.inFlight = Math.max(0, this.inFlight - count);
    if (this.inFlight === 0) this.retransmitAt = Infinity;
    if (this.settled >= CUT_AFTER || this.settled === this.entries.length) {
      this.entries = this.entries.slice(this.settled);
      this.settled = 0;
    }
    return ids;
  }
}
