import { BackgroundTasks } from './background-tasks.ts';
import { BatchQueue, type BatchLimits } from './batch-queue.ts';
import type { Scheduler } from './clock/scheduler.port.ts';
import { isStoreUnavailable } from './persistence/store-unavailable.ts';

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

  constructor(
    private readonly what: string,
    write: (items: readonly Item[]) => Promise<unknown>,
    private readonly tasks: BackgroundTasks,
    scheduler: Scheduler,
  ) {
    this.queue = new BatchQueue(
      async (items) => {
        // Told once for all of them.
        await tasks.attempt(what, () => write(items));
        return items.map(() => undefined);
      },
      LIMITS,
      scheduler,
      isStoreUnavailable,
    );
  }

  add(item: Item): void {
    void this.tasks.attempt(this.what, () => this.queue.add(item, 1));
  }

  /** Writes what waits, and takes nothing more. */
  close(): Promise<void> {
    return this.queue.close();
  }
}
