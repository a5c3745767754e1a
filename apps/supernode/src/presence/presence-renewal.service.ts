import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { DevicePresences } from './device-presences.ts';
import {
  PRESENCE_STORE,
  WATCH_STORE,
  type PresenceStore,
  type StoredUser,
  type WatchStore,
} from './presence-store.port.ts';

/** Far below the life of what is stored, so that several rounds may fail. */
const ROUND_MS = 3600_000;
/** Users in one turn, and the pause after it: a round over many users must not be noticed by them. */
const BATCH = 100;
const BATCH_PAUSE_MS = 100;

/** Keeps what is stored of the users here from expiring for as long as they stay: what nobody keeps has no home. */
@Injectable()
export class PresenceRenewal implements OnModuleInit, OnModuleDestroy {
  private cancel: (() => void) | undefined;

  constructor(
    private readonly devices: DevicePresences,
    @Inject(PRESENCE_STORE) private readonly store: Pick<PresenceStore, 'renew'>,
    @Inject(WATCH_STORE) private readonly watches: Pick<WatchStore, 'renew'>,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.cancel = this.scheduler.after(ROUND_MS, () => void this.round(this.devices.owned()));
  }

  onModuleDestroy(): void {
    this.cancel?.();
  }

  private async round(users: readonly StoredUser[]): Promise<void> {
    const batch = users.slice(0, BATCH);
    await this.background.attempt('renewing presence', () =>
      Promise.all(batch.map((user) => this.renew(user))),
    );
    const rest = users.slice(batch.length);
    if (rest.length === 0) this.onModuleInit();
    else this.cancel = this.scheduler.after(BATCH_PAUSE_MS, () => void this.round(rest));
  }

  private async renew({ tenant, userId }: StoredUser): Promise<void> {
    if (!this.devices.isOwn(tenant, userId)) return;
    await this.store.renew(tenant, userId);
    for (const { device } of await this.devices.of(tenant, userId)) await this.watches.renew(device);
  }
}
