import type { PlayoutDecision, StoreOutcome } from './playout-decision.ts';

/** What became of the frames of a stream, as counts of frames unless stated otherwise. */
export interface PlayoutCounts {
  /** Played from their own packet; two that were merged count as two. */
  readonly played: number;
  /** Played from a copy that came with the next packet. */
  readonly recovered: number;
  /** Times that concealment was heard because a frame was missing. */
  readonly concealed: number;
  /** Times that nothing was heard because nothing came for long. */
  readonly silent: number;
  /** Times that playout was delayed by a concealed frame. */
  readonly inserted: number;
  /** Times that two frames were played in the time of one. */
  readonly merged: number;
  /** Left out because playout had fallen far behind. */
  readonly skipped: number;
  /** Missing although later ones were sent. */
  readonly lost: number;
  /** Times that concealment was heard because a frame was late that was played then. */
  readonly interrupted: number;
  /** Runs of consecutive frames that were lost or late. */
  readonly lossRuns: number;
  /** Times that were over, without anything to be heard, when this process came to it. */
  readonly stalled: number;
  /** Packets that came after their frame was due, that came again, and that belong to no frame near the one due. */
  readonly late: number;
  readonly duplicate: number;
  readonly outOfWindow: number;
  /** Times that the sender's numbering began anew. */
  readonly restarts: number;
  /** Mean wait above the delay of the fastest packet. */
  readonly meanDelayMs: number;
}

const KIND_COUNTER = {
  play: 'played',
  recover: 'recovered',
  restore: 'recovered',
  conceal: 'concealed',
  insert: 'inserted',
  merge: 'merged',
  silence: 'silent',
} as const;

const STORE_COUNTER = { late: 'late', duplicate: 'duplicate', 'out-of-window': 'outOfWindow' } as const;

/** Keeps the counts of a jitter buffer. A missing frame is lost only once a later one shows that the sender was not done. */
export class PlayoutTally {
  private readonly values = {
    played: 0,
    recovered: 0,
    concealed: 0,
    silent: 0,
    inserted: 0,
    merged: 0,
    skipped: 0,
    lost: 0,
    interrupted: 0,
    stalled: 0,
    lossRuns: 0,
    late: 0,
    duplicate: 0,
    outOfWindow: 0,
    restarts: 0,
  };
  private unconfirmed = 0;
  private isInRun = false;
  private delaySumMs = 0;
  private delays = 0;

  countStore(outcome: StoreOutcome): StoreOutcome {
    if (outcome !== 'stored') this.values[STORE_COUNTER[outcome]] += 1;
    return outcome;
  }

  /** `hasLater`: a frame after this one was received. */
  countDecision(kind: PlayoutDecision['kind'], hasLater: boolean): void {
    if (kind === 'idle') return;
    this.values[KIND_COUNTER[kind]] += 1;
    if (kind === 'merge') this.values.played += 2;
    if (kind === 'conceal' || kind === 'silence') {
      this.unconfirmed += 1;
      if (hasLater) this.confirmLosses();
    } else if (kind !== 'insert') this.isInRun = false;
  }

  countSkipped(frames: number): void {
    this.values.skipped += frames;
    this.addLost(frames);
  }

  countStalled(): void {
    this.values.stalled += 1;
  }

  /** What was concealed while nothing was there turns out as so many frames that are lost and so many that were late. */
  settleWait(lost: number, late: number): void {
    this.values.interrupted += late;
    this.addMissed(lost + late);
    this.values.lost += lost;
    this.unconfirmed = 0;
  }

  countRestart(): void {
    this.values.restarts += 1;
    this.unconfirmed = 0;
    this.isInRun = false;
  }

  /** A later frame was received: those that were missing before it are lost. */
  confirmLosses(): void {
    this.addLost(this.unconfirmed);
    this.unconfirmed = 0;
  }

  addDelay(delayMs: number): void {
    this.delaySumMs += delayMs;
    this.delays += 1;
  }

  get counts(): PlayoutCounts {
    return { ...this.values, meanDelayMs: this.delays === 0 ? 0 : this.delaySumMs / this.delays };
  }

  private addLost(frames: number): void {
    this.values.lost += frames;
    this.addMissed(frames);
  }

  private addMissed(frames: number): void {
    if (frames === 0) return;
    if (!this.isInRun) this.values.lossRuns += 1;
    this.isInRun = true;
  }
}
