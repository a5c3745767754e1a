import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { CALLS_CONFIG } from '../config/config.module.ts';
import type { CallsConfig } from '../config/config.schema.ts';
import { Metrics } from '../observability/metrics.ts';
import { CALL_LOG, type CallLog } from './call-log.port.ts';

const DAY_MS = 24 * 3600_000;
const SWEEP_INTERVAL_MS = 3600_000;

/** How long calls stay in the histories: older ones are shown to nobody, and deleted within the hour. */
@Injectable()
export class CallRetention implements OnModuleInit, OnModuleDestroy {
  private cancelSweep: (() => void) | undefined;

  constructor(
    @Inject(CALL_LOG) private readonly log: CallLog,
    @Inject(CALLS_CONFIG) private readonly config: CallsConfig,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
    private readonly metrics: Metrics,
  ) {}

  /** Milliseconds since the epoch: what began earlier is forgotten. */
  get since(): number {
    return Math.max(0, this.clock.now() - this.config.historyDays * DAY_MS);
  }

  onModuleInit(): void {
    this.cancelSweep = this.scheduler.after(SWEEP_INTERVAL_MS, () => {
      void this.background.attempt('dropping old calls', () => this.sweep());
      this.onModuleInit();
    });
  }

  onModuleDestroy(): void {
    this.cancelSweep?.();
  }

  private async sweep(): Promise<void> {
    const dropped = await this.log.dropStartedBefore(this.since);
    if (dropped > 0) this.metrics.drop('calls', 'expired', dropped);
  }
}
