import { after, type Instant } from '../../time/instant.ts';

export interface ProbeBudgetOptions {
  /** Checks to predicted and guessed ports, of all agents that share the budget. @default 1000 */
  readonly perSecond: number;
  /** Checks of one attempt. @default 2048 */
  readonly perAttempt: number;
  /** From one attempt to guess ports of an address to the next. @default 20000 */
  readonly attemptGapMs: number;
  /** Attempts at predicted ports of an address in one go: four searches with three reports each. @default 12 */
  readonly predictions: number;
  /** In the long run one of them in this time: a peer may restart, and sign another port, as often as it likes. @default 5000 */
  readonly predictionGapMs: number;
}

export const DEFAULT_PROBE_BUDGET: ProbeBudgetOptions = {
  perSecond: 1000,
  perAttempt: 2048,
  attemptGapMs: 20_000,
  predictions: 12,
  predictionGapMs: 5000,
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
  /** By address, when the last of its predictions is made up for. */
  readonly #predictions = new Map<string, Instant>();
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
    remember(this.#attempts, address, now);
    return true;
  }

  /** When ports of the IP address may be predicted again; in the past means at once. */
  nextPredictionAt(address: string): Instant | undefined {
    const { predictions, predictionGapMs } = this.#options;
    const settledAt = this.#predictions.get(address);
    return settledAt === undefined ? undefined : after(settledAt, -(predictions - 1) * predictionGapMs);
  }

  /** Whether ports of the address may be predicted now; if so it is counted. */
  startPrediction(address: string, now: Instant): boolean {
    const allowedAt = this.nextPredictionAt(address);
    if (allowedAt !== undefined && now < allowedAt) return false;
    const settledAt = this.#predictions.get(address) ?? now;
    const from = settledAt > now ? settledAt : now;
    remember(this.#predictions, address, after(from, this.#options.predictionGapMs));
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

function remember(table: Map<string, Instant>, address: string, at: Instant): void {
  table.delete(address);
  if (table.size >= MAX_ADDRESSES) {
    const [oldest] = table.keys();
    if (oldest !== undefined) table.delete(oldest);
  }
  table.set(address, at);
}
