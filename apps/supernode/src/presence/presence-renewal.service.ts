import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { SupernodeError } from '../errors.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import { DevicePresences } from './device-presences.ts';
import { HomeWatches } from './home-watches.service.ts';
import { PRESENCE_STORE, type PresenceStore, type StoredUser } from './presence-store.port.ts';

/** Far below the life of what is stored, so that several rounds may fail. */
const ROUND_MS = 3600_000;
/** Users in one turn, and the pause after it: a round over many users must not be noticed by them. */
const BATCH = 100;
const BATCH_PAUSE_MS = 100;

/** Keeps what is stored of the users here from expiring for as long as they stay: what nobody keeps has no home. */
@Injectable()
export class PresenceRenewal implements OnModuleInit, OnModuleDestroy {
  private cancel: (() => void) | undefined;
  private readonly pauses = new Set<() => void>();
  private isClosed = false;

  constructor(
    private readonly devices: DevicePresences,
    @Inject(PRESENCE_STORE) private readonly store: Pick<PresenceStore, 'renew'>,
    private readonly watches: HomeWatches,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.cancel = this.scheduler.after(ROUND_MS, () => {
      void this.background
        .attempt('renewing presence', () => this.renewAll())
        .then(() => {
          if (!this.isClosed) this.onModuleInit();
        });
    });
  }

  onModuleDestroy(): void {
    this.isClosed = true;
    this.cancel?.();
    for (const end of this.pauses) end();
  }

  async renewAll(): Promise<void> {
    await this.forEach((user) => this.renew(user));
  }

  /** Visits all users here, a few at a time. */
  async forEach(visit: (user: StoredUser) => Promise<void>): Promise<void> {
    const users = this.devices.owned();
    for (let at = 0; at < users.length && !this.isClosed; at += BATCH) {
      if (at > 0) await this.pause();
      const here = users.slice(at, at + BATCH).filter((user) => this.devices.isOwn(user.tenant, user.userId));
      await Promise.all(here.map((user) => this.visitOne(user, visit)));
    }
  }

  /** Only a store that is out of reach ends the round: a user who has just got another home does not. */
  private async visitOne(user: StoredUser, visit: (user: StoredUser) => Promise<void>): Promise<void> {
    const away: { cause?: unknown } = {};
    await this.background.attempt('renewing presence of a user', async () => {
      try {
        await visit(user);
      } catch (error) {
        if (!isStoreUnavailable(error)) throw error;
        away.cause = error;
      }
    });
    if (away.cause !== undefined)
      throw new SupernodeError('SN_REDIS_UNREACHABLE', 'The store went away during a round.', away);
  }

  private async renew({ tenant, userId }: StoredUser): Promise<void> {
    await this.store.renew(tenant, userId);
    for (const { device } of await this.devices.of(tenant, userId)) await this.watches.renew(device);
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.scheduler.after(BATCH_PAUSE_MS, () => end());
      const end = (): void => {
        cancel();
        this.pauses.delete(end);
        resolve();
      };
      this.pauses.add(end);
    });
  }
}
