import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { EDGE_CONFIG } from '../config/config.module.ts';
import type { EdgeConfig } from '../config/config.schema.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { Metrics } from '../observability/metrics.ts';
import { Refusal } from '../refusal.ts';
import type { Comebacks } from './comebacks.port.ts';
import { PacedWork } from './paced-work.ts';
import { RefusalWindow } from './refusal-window.ts';
import { TokenBucket } from './token-bucket.ts';

/** In the order in which they go first: who comes back has watchers that see it, and a search can wait. */
const KINDS = ['resume', 'sign-in', 'search'] as const;
export type AdmissionKind = (typeof KINDS)[number];

type AdmissionConfig = Pick<
  EdgeConfig,
  'signInsPerSecond' | 'resumesPerSecond' | 'maxSignInsUnderWay' | 'warmUpSeconds'
>;

const FIRST_SHARE = 0.1;
/** Who waits for longer than this, in all, has given up or soon will: clients of the SDK do after 10 s. */
const MAX_WAIT_MS = 7_000;
/** Waiting requests for each that may be under way. */
const QUEUE_FACTOR = 16;
/** Of what may be under way at one time; the rest is for those who sign in. */
const SEARCH_SHARE = 0.5;
/** Who comes to a supernode at its limit was hardly the last one: others may be on their way for so long. */
const FOLLOWED_MS = 5_000;
const MIN_RETRY_MS = 100;

/** The place of somebody whose request is under way. */
export interface Turn {
  /**
   * Waits without holding up others: the place is free meanwhile, and taken again afterwards.
   *
   * @throws Refusal BUSY
   */
  aside(wait: () => Promise<void>): Promise<void>;
}

interface Waiting {
  readonly isWanted: () => boolean;
  readonly start: () => void;
  readonly refuse: (outcome: string) => void;
  readonly cancelDeadline: () => void;
}

/** Where nobody stops waiting by itself. */
const ALWAYS = (): boolean => true;

/**
 * What a supernode takes on when many clients come at once (DESIGN 5.7): rates for those who come back and for those who sign in
 * anew, and a bound of what is under way at one time. Beyond them it refuses requests and never more: whoever is in stays.
 */
@Injectable()
export class StormAdmission implements Comebacks {
  private readonly buckets;
  private readonly windows;
  private readonly waiting: Record<AdmissionKind, Waiting[]> = { resume: [], 'sign-in': [], search: [] };
  private readonly underWay: Record<AdmissionKind, number> = { resume: 0, 'sign-in': 0, search: 0 };
  private readonly outcomes;
  private readonly startedAt: number;
  private readonly pace: PacedWork;
  private othersFollowUntil = 0;

  constructor(
    metrics: Metrics,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(EDGE_CONFIG)
    private readonly config: AdmissionConfig,
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'isHeldBack'>,
  ) {
    this.startedAt = clock.monotonic();
    const isBusy = (): boolean => this.total > 0;
    this.pace = new PacedWork(config.maxSignInsUnderWay, clock, scheduler, isBusy, () => this.startNext());
    const rates = { resume: config.resumesPerSecond, 'sign-in': config.signInsPerSecond };
    const bucket = (rate: number) => new TokenBucket(rate, rate, this.startedAt);
    this.buckets = { resume: bucket(rates.resume), 'sign-in': bucket(rates['sign-in']) };
    this.windows = {
      resume: new RefusalWindow(rates.resume, this.startedAt),
      'sign-in': new RefusalWindow(rates['sign-in'], this.startedAt),
      search: new RefusalWindow(rates['sign-in'], this.startedAt),
    };
    this.outcomes = metrics.counter(
      'edge_admissions_total',
      'Resumes, sign-ins and searches that were let in, or refused because of too many, by outcome',
      ['kind', 'outcome'],
    );
    metrics.gauge(
      'edge_admissions_waiting',
      'Resumes, sign-ins and searches that wait for others',
      ['kind'],
      (gauge) => {
        for (const kind of KINDS) gauge.set({ kind }, this.waiting[kind].length);
      },
    );
  }

  /** The part of its full rates that this supernode takes now. When all were started anew, to hold clients back would help nobody. */
  get share(): number {
    const { warmUpSeconds } = this.config;
    if (warmUpSeconds === 0 || !this.ownership.isHeldBack) return 1;
    const warm = (this.clock.monotonic() - this.startedAt) / (warmUpSeconds * 1000);
    return Math.min(1, FIRST_SHARE + (1 - FIRST_SHARE) * warm);
  }

  get isHoldingUp(): boolean {
    const now = this.clock.monotonic();
    return (
      now < this.othersFollowUntil ||
      (['resume', 'sign-in'] as const).some(
        (kind) => this.waiting[kind].length > 0 || this.windows[kind].isOpen(now, this.share),
      )
    );
  }

  /**
   * Runs `work` when its turn comes. One that ends in NOT_HOME did not cost what it was counted for.
   *
   * @param isWanted - false when nobody waits for the answer any more
   * @throws Refusal BUSY
   */
  async run<Result>(
    kind: AdmissionKind,
    work: (turn: Turn) => Promise<Result>,
    isWanted: () => boolean = ALWAYS,
  ): Promise<Result> {
    this.takeToken(kind);
    this.pace.watch();
    const until = this.clock.monotonic() + MAX_WAIT_MS;
    await this.place(kind, isWanted, until);
    this.outcomes.inc({ kind, outcome: 'admitted' });
    if (kind !== 'search' && this.pace.isSlowed)
      this.othersFollowUntil = this.clock.monotonic() + FOLLOWED_MS;
    const place = { isTaken: true };
    const giveUpPlace = (): void => {
      place.isTaken = false;
      this.underWay[kind] -= 1;
      this.startNext();
    };
    const aside = async (wait: () => Promise<void>): Promise<void> => {
      giveUpPlace();
      await wait();
      await this.place(kind, isWanted, until);
      place.isTaken = true;
    };
    try {
      return await work({ aside });
    } catch (error) {
      if (kind !== 'search' && error instanceof Refusal && error.code === 'NOT_HOME')
        this.buckets[kind].giveBack();
      throw error;
    } finally {
      if (place.isTaken) giveUpPlace();
    }
  }

  private takeToken(kind: AdmissionKind): void {
    if (kind === 'search') return;
    const wait = this.buckets[kind].take(this.clock.monotonic(), 1, this.share);
    if (wait > 0) throw this.refusal(kind, 'rate', wait);
  }

  /** Resolves with a place taken among those under way. */
  private place(kind: AdmissionKind, isWanted: () => boolean, until: number): Promise<void> {
    if (this.hasPlace(kind)) {
      this.underWay[kind] += 1;
      return Promise.resolve();
    }
    if (this.waiting[kind].length >= this.config.maxSignInsUnderWay * QUEUE_FACTOR)
      return Promise.reject(this.refusal(kind, 'queue', MIN_RETRY_MS));
    return new Promise((resolve, reject) => {
      const refuse = (outcome: string): void => reject(this.refusal(kind, outcome, MIN_RETRY_MS));
      const entry: Waiting = {
        isWanted,
        refuse,
        start: () => {
          this.underWay[kind] += 1;
          resolve();
        },
        cancelDeadline: this.scheduler.after(Math.max(0, until - this.clock.monotonic()), () => {
          this.waiting[kind] = this.waiting[kind].filter((other) => other !== entry);
          refuse('late');
        }),
      };
      this.waiting[kind].push(entry);
    });
  }

  private hasPlace(kind: AdmissionKind): boolean {
    const { limit } = this.pace;
    if (this.total >= limit) return false;
    return kind !== 'search' || this.underWay.search < limit * SEARCH_SHARE;
  }

  private get total(): number {
    return KINDS.reduce((sum, each) => sum + this.underWay[each], 0);
  }

  private startNext(): void {
    for (const kind of KINDS) {
      while (this.hasPlace(kind)) {
        const next = this.waiting[kind].shift();
        if (!next) break;
        next.cancelDeadline();
        if (next.isWanted()) next.start();
        else next.refuse('left');
      }
    }
  }

  private refusal(kind: AdmissionKind, outcome: string, retryAfterMs: number): Refusal {
    this.outcomes.inc({ kind, outcome });
    const windowMs = this.windows[kind].refused(this.clock.monotonic(), this.share);
    const message = kind === 'search' ? 'Too many searches at present.' : undefined;
    return new Refusal('BUSY', message, Math.max(MIN_RETRY_MS, retryAfterMs), { windowMs });
  }
}
