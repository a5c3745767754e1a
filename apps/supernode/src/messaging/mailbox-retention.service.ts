import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { LIMITS } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { MAILBOX_STORE, type MailboxStore } from './mailbox-store.port.ts';
import { MessagingMetrics } from './messaging-metrics.ts';

const SWEEP_INTERVAL_MS = 3600_000;

/** Deletes copies that nobody fetched in time. */
@Injectable()
export class MailboxRetention implements OnModuleInit, OnModuleDestroy {
  private cancelSweep: (() => void) | undefined;

  constructor(
    @Inject(MAILBOX_STORE) private readonly mailboxes: MailboxStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
    private readonly metrics: MessagingMetrics,
  ) {}

  onModuleInit(): void {
    this.cancelSweep = this.scheduler.after(SWEEP_INTERVAL_MS, () => {
      void this.background.attempt('dropping expired messages', () => this.sweep());
      this.onModuleInit();
    });
  }

  onModuleDestroy(): void {
    this.cancelSweep?.();
  }

  private async sweep(): Promise<void> {
    const dropped = await this.mailboxes.dropExpired(this.clock.now() - LIMITS.mailboxRetentionMs);
    if (dropped > 0) this.metrics.drop('expired', dropped);
  }
}
