import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { DevicePresences } from './device-presences.ts';
import { PresenceChanges } from './presence-changes.service.ts';
import { PresenceRenewal } from './presence-renewal.service.ts';

/** Other homes store what their devices watch at the same time; before that nobody would be told. */
const SETTLE_MS = 3000;

/** A shared store that came back without what it had gets it again from the homes, and watchers hear how users look. */
@Injectable()
export class StoreLosses implements OnModuleInit, OnModuleDestroy {
  private cancel: (() => void) | undefined;

  constructor(
    @Inject(SHARED_STATE) private readonly shared: SharedState | null,
    private readonly devices: DevicePresences,
    private readonly renewal: PresenceRenewal,
    private readonly changes: PresenceChanges,
    private readonly background: BackgroundTasks,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
  ) {}

  onModuleInit(): void {
    this.shared?.connection.onEmptied(() => {
      void this.background.attempt('storing presence again', () => this.restore());
    });
  }

  onModuleDestroy(): void {
    this.cancel?.();
  }

  private async restore(): Promise<void> {
    this.devices.saveAll();
    await this.renewal.renewAll();
    this.cancel?.();
    this.cancel = this.scheduler.after(SETTLE_MS, () => {
      void this.background.attempt('telling watchers anew', () =>
        this.renewal.forEach((user) => this.changes.reassert(user)),
      );
    });
  }
}
