import { Inject, Injectable } from '@nestjs/common';
import type { WireErrorCode } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { BoundedCounts } from '../identity/bounded-counts.ts';
import { Metrics } from '../observability/metrics.ts';
import { Refusal } from '../refusal.ts';

const WINDOW_MS = 10_000;
const MAX_SOURCES = 10_000;
/** No client that means well sends these more than a few times. */
const FORGED: readonly WireErrorCode[] = [
  'CHALLENGE_EXPIRED',
  'BAD_PROOF',
  'TOKEN_INVALID',
  'TOKEN_BOUND',
  'TENANT_UNKNOWN',
];
const MAX_FORGED = 40;
/** All clients behind one address may be refused once when a supernode lost what it knew of them. */
const MAX_STALE = 600;

/**
 * Sign-ins that failed by the client's own fault, per source address. They use up what the supernode takes in a second before
 * anything is proven, so one address must not be able to spend it all.
 */
@Injectable()
export class FailedSignIns {
  private readonly forged = new BoundedCounts(WINDOW_MS, MAX_SOURCES);
  private readonly stale = new BoundedCounts(WINDOW_MS, MAX_SOURCES);

  constructor(
    private readonly metrics: Metrics,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws Refusal RATE_LIMITED, without `work`; else whatever `work` throws */
  async watch<Result>(source: string, work: () => Promise<Result>): Promise<Result> {
    const now = this.clock.monotonic();
    const isSpent =
      this.forged.estimate(source, now) >= MAX_FORGED || this.stale.estimate(source, now) >= MAX_STALE;
    if (isSpent) {
      this.metrics.drop('gateway', 'failed-sign-ins');
      throw new Refusal('RATE_LIMITED', 'Too many sign-ins from this address have failed.', WINDOW_MS);
    }
    try {
      return await work();
    } catch (error) {
      if (error instanceof Refusal) this.count(source, error.code);
      throw error;
    }
  }

  private count(source: string, code: Refusal['code']): void {
    const now = this.clock.monotonic();
    if (code === 'RESUME_REFUSED') this.stale.add(source, now);
    else if ((FORGED as readonly string[]).includes(code)) this.forged.add(source, now);
  }
}
