import type { Scheduler } from './clock/scheduler.port.ts';
import { Refusal } from './refusal.ts';

/** How much waits, and how much goes at once. Weight is in bytes. */
export interface BatchLimits {
  /** How long the first item of an idle queue waits for company. */
  readonly lingerMs: number;
  readonly maxItems: number;
  readonly maxWeight: number;
  readonly maxQueuedItems: number;
  readonly maxQueuedWeight: number;
}

/** What clients are told to wait when the queue is full. */
const FULL_RETRY_MS = 1_000;

interface Waiting<Item, Outcome> {
  readonly item: Item;
  readonly weight: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Work of a batch: outcomes in the order of the items, or an error for all of them. */
type Commit<Item, Outcome> = (items: readonly Item[]) => Promise<readonly Outcome[]>;

/**
 * Collects items of many callers and commits them together, one batch at a time, in the order they came. While a batch is
 * under way the next one gathers. Each caller learns the outcome of its own item.
 */
export class BatchQueue<Item, Outcome> {
  private readonly waiting: Waiting<Item, Outcome>[] = [];
  private queuedWeight = 0;
  private cancelLinger: (() => void) | undefined;
  private running: Promise<void> | undefined;
  private isClosed = false;

  constructor(
    private readonly commit: Commit<Item, Outcome>,
    private readonly limits: BatchLimits,
    private readonly scheduler: Scheduler,
    /** Whether the error of a batch is that of a store which is away, and so of no item in particular. */
    private readonly isOfAll: (error: unknown) => boolean,
  ) {}

  get length(): number {
    return this.waiting.length;
  }

  /** @throws Refusal RATE_LIMITED when too much waits, SHUTTING_DOWN after {@link close}; else what the commit throws */
  add(item: Item, weight: number): Promise<Outcome> {
    if (this.isClosed) return Promise.reject(new Refusal('SHUTTING_DOWN'));
    const { maxQueuedItems, maxQueuedWeight } = this.limits;
    if (this.waiting.length >= maxQueuedItems || this.queuedWeight + weight > maxQueuedWeight) {
      return Promise.reject(
        new Refusal('RATE_LIMITED', 'Too many writes wait for the database.', FULL_RETRY_MS),
      );
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, weight, resolve, reject });
      this.queuedWeight += weight;
      this.wake();
    });
  }

  /** Takes nothing more and resolves when all that waits was committed or refused. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.startNow();
    await this.running;
  }

  private wake(): void {
    if (this.running) return;
    if (this.waiting.length >= this.limits.maxItems || this.queuedWeight >= this.limits.maxWeight) {
      this.startNow();
      return;
    }
    this.cancelLinger ??= this.scheduler.after(this.limits.lingerMs, () => this.startNow());
  }

  private startNow(): void {
    this.cancelLinger?.();
    this.cancelLinger = undefined;
    if (this.waiting.length > 0) this.running ??= this.run();
  }

  private async run(): Promise<void> {
    while (this.waiting.length > 0) await this.settle(this.takeBatch());
    // In the same turn as the last look at the queue: what is added from now on starts the next run.
    this.running = undefined;
  }

  private takeBatch(): Waiting<Item, Outcome>[] {
    let weight = 0;
    let count = 0;
    for (const entry of this.waiting) {
      if (count > 0 && (count >= this.limits.maxItems || weight + entry.weight > this.limits.maxWeight))
        break;
      weight += entry.weight;
      count += 1;
    }
    this.queuedWeight -= weight;
    return this.waiting.splice(0, count);
  }

  /** An error that one item may have caused is found by halving, so that it falls on no other. */
  private async settle(batch: readonly Waiting<Item, Outcome>[]): Promise<void> {
    try {
      const outcomes = await this.commit(batch.map(({ item }) => item));
      for (const [at, entry] of batch.entries()) entry.resolve(outcomes[at] as Outcome);
    } catch (error) {
      if (batch.length === 1 || this.isOfAll(error)) {
        for (const entry of batch) entry.reject(error);
        return;
      }
      const half = Math.ceil(batch.length / 2);
      await this.settle(batch.slice(0, half));
      await this.settle(batch.slice(half));
    }
  }
}
