import { Inject, Injectable } from '@nestjs/common';
import { LIMITS, type DeviceId, type TenantId, type UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { WATCH_STORE, type WatchStore } from './presence-store.port.ts';
import { MemoryWatchStore } from './watch-store.memory.ts';

/**
 * Who watches whom, as the home of watching devices keeps it. Where the store is shared, what devices of this supernode watch is
 * known here too: they go on seeing each other while the store is away, and the store gets it again if it comes back empty.
 */
@Injectable()
export class HomeWatches {
  private readonly own: MemoryWatchStore | undefined;

  constructor(
    @Inject(WATCH_STORE) private readonly store: WatchStore,
    @Inject(SHARED_STATE) shared: SharedState | null,
    private readonly background: BackgroundTasks,
  ) {
    this.own = shared === null ? undefined : new MemoryWatchStore();
  }

  /** False when the watching device is at its limit and nothing was added. */
  async watch(watcher: DeviceAddress, watched: readonly UserId[], limit: number): Promise<boolean> {
    const isWithin = await this.store.watch(watcher, watched, limit);
    if (isWithin) await this.own?.watch(watcher, watched, limit);
    return isWithin;
  }

  async unwatch(watcher: DeviceAddress, watched: readonly UserId[]): Promise<void> {
    await this.own?.unwatch(watcher, watched);
    await this.store.unwatch(watcher, watched);
  }

  /** What the store can't forget now is told to nobody, and goes by itself some days later. */
  async unwatchAll(watcher: DeviceAddress): Promise<void> {
    await this.own?.unwatchAll(watcher);
    await this.background.attempt('ending the watches of a device', () => this.store.unwatchAll(watcher));
  }

  /** While the store is out of reach, those of this supernode. */
  async watchersOf(
    tenant: TenantId,
    watched: UserId,
  ): Promise<readonly { userId: UserId; deviceId: DeviceId }[]> {
    try {
      return await this.store.watchersOf(tenant, watched);
    } catch (error) {
      if (!this.own || !isStoreUnavailable(error)) throw error;
      return this.own.watchersOf(tenant, watched);
    }
  }

  /** A device came back, perhaps from another home. */
  async resumed(watcher: DeviceAddress): Promise<void> {
    if (!this.own || (await this.own.watchedBy(watcher)).length > 0) return;
    await this.background.attempt('reading the watches of a device', async () => {
      const watched = await this.store.watchedBy(watcher);
      await this.own?.watch(watcher, watched, LIMITS.maxSubscriptionsPerDevice);
    });
  }

  /** Another supernode is its home from now on. */
  async moved(watcher: DeviceAddress): Promise<void> {
    await this.own?.unwatchAll(watcher);
  }

  /** Keeps the watches of a device that stays, also in a store that lost them. */
  async renew(watcher: DeviceAddress): Promise<void> {
    const watched = (await this.own?.watchedBy(watcher)) ?? [];
    if (watched.length > 0) await this.store.watch(watcher, watched, LIMITS.maxSubscriptionsPerDevice);
    await this.store.renew(watcher);
  }
}
