import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { PRESENCE_PROFILES, type PresenceProfiles } from './presence-profile.port.ts';

const PRUNE_INTERVAL_MS = 3600_000;

/** Deletes presence history once its tenant no longer keeps it. */
@Injectable()
export class PresenceRetention implements OnModuleInit, OnModuleDestroy {
  private cancel: (() => void) | undefined;

  constructor(
    @Inject(PRESENCE_PROFILES) private readonly profiles: PresenceProfiles,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.cancel = this.scheduler.after(PRUNE_INTERVAL_MS, () => {
      void this.background.attempt('pruning presence history', () => this.profiles.prune(this.clock.now()));
      this.onModuleInit();
    });
  }

  onModuleDestroy(): void {
    this.cancel?.();
  }
}
