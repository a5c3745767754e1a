import { after, type Instant } from '../../time/instant.ts';

export interface ProbeBudgetOptions {
  /** Checks to predicted and guessed ports, of all agents that share the budget. @default 1000 */
  readonly perSecond: number;
  /** Checks of one attempt. @default 2048 */
  readonly perAttempt: number;
  /** From one attempt towards an address to the next. @default 20000 */
  readonly attemptGapMs: number;
}

export const DEFAULT_PROBE_BUDGET: ProbeBudgetOptions = {
  perSecond: 1000,
  perAttempt: 2048,
  attemptGapMs: 20_000,
};

/** Share of a second's probes that may leave in one go: a loop that was late makes up for it. The rest is the rate. */
const BURST_SHARE = 0.04;
/** Else a timer that fires just in time might find a hair too little, and fire again at the same instant for ever. */
const ROUNDING = 1e-6;
/** Addresses whose last attempt is remembered; who forgets may only try earlier. */
const MAX_ADDRESSES = 1024;

/** What all agents of one endpoint may send together to ports that nobody told them. */
export class ProbeBudget {
  readonly #options: ProbeBudgetOptions;
  readonly #attempts = new Map<string, Instant>();
  #tokens = 1;
  #refilledAt: Instant | undefined;

  constructor(options: Partial<ProbeBudgetOptions> = {}) {
    this.#options = { ...DEFAULT_PROBE_BUDGET, ...options };
  }

  get perAttempt(): number {
    return this.#options.perAttempt;
  }

  /** When the next attempt towards the IP address may begin; in the past means at once. */
  nextAttemptAt(address: string): Instant | undefined {
    const last = this.#attempts.get(address);
    return last === undefined ? undefined : after(last, this.#options.attemptGapMs);
  }

  /** Whether an attempt may begin now; if so it is remembered. */
  startAttempt(address: string, now: Instant): boolean {
    const allowedAt = this.nextAttemptAt(address);
    if (allowedAt !== undefined && now < allowedAt) return false;
    this.#attempts.delete(address);
    if (this.#attempts.size >= MAX_ADDRESSES) {
      const [oldest] = this.#attempts.keys();
      if (oldest !== undefined) this.#attempts.delete(oldest);
    }
    this.#attempts.set(address, now);
    return true;
  }

  /** Whether one more probe may leave now; if so it is counted. */
  take(now: Instant): boolean {
    const since = this.#refilledAt === undefined ? 0 : now - this.#refilledAt;
    const limit = Math.max(1, this.#options.perSecond * BURST_SHARE);
    this.#tokens = Math.min(limit, this.#tokens + since * this.#perMs);
    this.#refilledAt = now;
    if (this.#tokens < 1 - ROUNDING) return false;
    this.#tokens -= 1;
    return true;
  }

  /** When the next probe may leave. */
  nextAt(now: Instant): Instant {
    const missing = Math.max(0, 1 - this.#tokens);
    return after(this.#refilledAt ?? now, missing / this.#perMs);
  }

  /** With a burst at its beginning no second has more than `perSecond`. */
  get #perMs(): number {
    return (this.#options.perSecond * (1 - BURST_SHARE)) / 1000;
  }
}
