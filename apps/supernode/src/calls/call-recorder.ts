import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import { Metrics } from '../observability/metrics.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import { CALL_LOG, type CallEntry, type CallLog } from './call-log.port.ts';

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
/** Calls whose history waits for the database: about an hour of a busy supernode. */
const MAX_WAITING = 10_000;

/**
 * Writes histories beside the calls: no call waits for the database, and what can't be written now is tried again. Writing
 * is idempotent, so that nothing needs an order.
 */
@Injectable()
export class CallRecorder implements OnModuleDestroy {
  private readonly running = new Set<Promise<void>>();
  private readonly pauses = new Set<() => void>();
  private isClosed = false;

  constructor(
    @Inject(CALL_LOG) private readonly log: CallLog,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
    private readonly metrics: Metrics,
  ) {}

  /** Writes the entries of one call, one after another, and tells the users' connected devices of each. */
  record(entries: readonly CallEntry[]): void {
    if (this.running.size >= MAX_WAITING) {
      this.metrics.drop('calls', 'history-queue-full', entries.length);
      return;
    }
    const task = this.background.attempt('recording a call', async () => {
      for (const entry of entries) await this.write(entry);
    });
    this.running.add(task);
    void task.then(() => this.running.delete(task));
  }

  /** Gives what waits a last chance. */
  async onModuleDestroy(): Promise<void> {
    this.isClosed = true;
    for (const wake of this.pauses) wake();
    await Promise.all(this.running);
  }

  private async write(entry: CallEntry): Promise<void> {
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
      try {
        const record = await this.log.save(entry);
        if (record) await this.background.attempt('telling of a call', () => this.tell(entry, record));
        return;
      } catch (error) {
        if (this.isClosed || !isStoreUnavailable(error)) throw error;
      }
      await this.pause(waitMs);
    }
  }

  private async tell(
    { tenant, userId }: CallEntry,
    record: NonNullable<Awaited<ReturnType<CallLog['save']>>>,
  ): Promise<void> {
    for (const deviceId of await this.notifier.connectedDevices(tenant, userId)) {
      this.notifier.notifyConnected({ tenant, userId, deviceId }, 'call.recorded', { record });
    }
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.scheduler.after(milliseconds, () => wake());
      const wake = (): void => {
        cancel();
        this.pauses.delete(wake);
        resolve();
      };
      this.pauses.add(wake);
    });
  }
}
