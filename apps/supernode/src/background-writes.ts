import { BackgroundTasks } from './background-tasks.ts';
import { BatchQueue, type BatchLimits } from './batch-queue.ts';
import type { Scheduler } from './clock/scheduler.port.ts';
import { SupernodeError } from './errors.ts';
import { isStoreUnavailable } from './persistence/store-unavailable.ts';
import { Refusal } from './refusal.ts';

/** At an orderly stop: a database that hangs holds nothing up for longer. */
const LAST_CHANCE_MS = 5_000;

const LIMITS: BatchLimits = {
  lingerMs: 100,
  maxItems: 500,
  maxWeight: 500,
  maxQueuedItems: 20_000,
  maxQueuedWeight: 20_000,
};

/**
 * Notes for the database that nobody waits for, written many at a time: what a crash within a tenth of a second, or a database
 * that is away, may cost. What fails is logged and counted, and so is what finds the queue full.
 */
export class BackgroundWrites<Item> {
  private readonly queue: BatchQueue<Item, undefined>;
  private dropped = 0;
  private isClosed = false;
  private isLate = false;

  constructor(
    private readonly what: string,
    write: (items: readonly Item[]) => Promise<unknown>,
    private readonly tasks: BackgroundTasks,
    private readonly scheduler: Scheduler,
  ) {
    this.queue = new BatchQueue((items) => this.commit(items, write), LIMITS, scheduler, isStoreUnavailable);
  }

  add(item: Item): void {
    this.queue.add(item, 1).catch((error: unknown) => {
      if (error instanceof Refusal) this.dropped += 1;
      else void this.fail(error);
      if (this.isClosed) void this.tellDropped();
    });
  }

  /** Writes what waits, as far as the database takes it within some seconds, and takes nothing more. */
  async close(): Promise<void> {
    this.isClosed = true;
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.scheduler.after(LAST_CHANCE_MS, () => {
        this.isLate = true;
        resolve();
      });
    });
    await Promise.race([this.queue.close(), late]);
    cancel();
    await this.tellDropped();
  }

  /** A store that is away loses all of them, and that is told once; whatever else fails is looked for among them. */
  private async commit(
    items: readonly Item[],
    write: (items: readonly Item[]) => Promise<unknown>,
  ): Promise<readonly undefined[]> {
    const done = items.map(() => undefined);
    await this.tellDropped();
    if (this.isLate) {
      this.dropped += items.length;
      return done;
    }
    try {
      await write(items);
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
      await this.fail(error);
    }
    return done;
  }

  private async tellDropped(): Promise<void> {
    const { dropped } = this;
    if (dropped === 0) return;
    this.dropped = 0;
    const message = `${dropped} were dropped: too many waited for the database, or for too long.`;
    await this.fail(new SupernodeError('SN_DB_UNREACHABLE', message));
  }

  private fail(error: unknown): Promise<void> {
    const reason = error instanceof Error ? error : new TypeError(String(error));
    return this.tasks.attempt(this.what, () => Promise.reject(reason));
  }
}
