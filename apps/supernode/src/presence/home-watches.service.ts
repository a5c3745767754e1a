import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LIMITS, type DeviceId, type TenantId, type UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import { Metrics } from '../observability/metrics.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import { SHARED_STATE, type SharedState } from '../redis/redis.module.ts';
import { SerialByKey } from '../serial-by-key.ts';
import { WATCH_STORE, type WatchStore } from './presence-store.port.ts';
import { UnsavedWatches, watchAsManyAsFit } from './unsaved-watches.ts';
import { MemoryWatchStore } from './watch-store.memory.ts';

const SAVE_AGAIN_MS = 1000;

/**
 * Who watches whom, as the home of watching devices keeps it. Where the store is shared, what devices of this supernode watch is
 * known here too: they go on watching each other while the store is away, which gets what it missed when it is back, and all of it
 * if it comes back empty.
 */
@Injectable()
export class HomeWatches implements OnModuleDestroy {
  private readonly own: MemoryWatchStore | undefined;
  /** What the store missed, by the device; bounded by the devices that were here during one outage. */
  private readonly unsaved = new Map<string, UnsavedWatches>();
  private readonly serial = new SerialByKey();
  private cancelSaving: (() => void) | undefined;

  constructor(
    @Inject(WATCH_STORE) private readonly store: WatchStore,
    @Inject(SHARED_STATE) shared: SharedState | null,
    private readonly background: BackgroundTasks,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly metrics: Metrics,
  ) {
    this.own = shared === null ? undefined : new MemoryWatchStore();
  }

  onModuleDestroy(): void {
    this.cancelSaving?.();
  }

  /** False when the watching device is at its limit and nothing was added. */
  async watch(watcher: DeviceAddress, watched: readonly UserId[], limit: number): Promise<boolean> {
    const write = async (): Promise<boolean> => {
      const isWithin = await this.store.watch(watcher, watched, limit);
      if (isWithin) await this.own?.watch(watcher, watched, limit);
      return isWithin;
    };
    const isWithin = await this.writeOrKeep(watcher, write, async (unsaved) => {
      const fits = (await this.own?.watch(watcher, watched, limit)) === true;
      if (fits) unsaved.watch(watched);
      return fits;
    });
    return isWithin;
  }

  async unwatch(watcher: DeviceAddress, watched: readonly UserId[]): Promise<void> {
    const own = () => this.own?.unwatch(watcher, watched);
    await this.writeOrKeep(
      watcher,
      async () => {
        await own();
        await this.store.unwatch(watcher, watched);
      },
      async (unsaved) => {
        await own();
        unsaved.unwatch(watched);
      },
    );
  }

  async unwatchAll(watcher: DeviceAddress): Promise<void> {
    const own = () => this.own?.unwatchAll(watcher);
    await this.background.attempt('ending the watches of a device', () =>
      this.writeOrKeep(
        watcher,
        async () => {
          await own();
          await this.store.unwatchAll(watcher);
        },
        async (unsaved) => {
          await own();
          unsaved.unwatchAll();
        },
      ),
    );
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
    const { own } = this;
    if (!own) return;
    await this.background.attempt('reading the watches of a device', () =>
      this.serial.run(deviceKey(watcher), async () => {
        if ((await own.watchedBy(watcher)).length > 0) return;
        await own.watch(watcher, await this.store.watchedBy(watcher), LIMITS.maxSubscriptionsPerDevice);
      }),
    );
  }

  /** Another supernode is its home from now on. */
  async moved(watcher: DeviceAddress): Promise<void> {
    const key = deviceKey(watcher);
    await this.serial.run(key, async () => {
      this.unsaved.delete(key);
      await this.own?.unwatchAll(watcher);
    });
  }

  /** Keeps the watches of a device that stays, also in a store that lost them. */
  async renew(watcher: DeviceAddress): Promise<void> {
    // Not between the steps of a change: what was read before it would undo it.
    await this.serial.run(deviceKey(watcher), async () => {
      const watched = (await this.own?.watchedBy(watcher)) ?? [];
      await this.giveUp(watcher, await watchAsManyAsFit(this.store, watcher, watched));
      await this.store.renew(watcher);
    });
  }

  /** One after the other for each device: what came last holds. Where the store is away, or has not got what came before, `keep` remembers what it is to get. */
  private async writeOrKeep<Answer>(
    watcher: DeviceAddress,
    write: () => Promise<Answer>,
    keep: (unsaved: UnsavedWatches) => Promise<Answer> | Answer,
  ): Promise<Answer> {
    const key = deviceKey(watcher);
    return this.serial.run(key, async () => {
      if (!this.unsaved.has(key)) {
        try {
          return await write();
        } catch (error) {
          if (!this.own || !isStoreUnavailable(error)) throw error;
        }
      }
      const unsaved = this.unsaved.get(key) ?? new UnsavedWatches(watcher);
      this.unsaved.set(key, unsaved);
      this.saveSoon();
      return keep(unsaved);
    });
  }

  private saveSoon(): void {
    this.cancelSaving ??= this.scheduler.after(SAVE_AGAIN_MS, () => {
      this.cancelSaving = undefined;
      void this.saveAll();
    });
  }

  private async saveAll(): Promise<void> {
    for (const [key, unsaved] of [...this.unsaved]) {
      await this.background.attempt('saving watches that the store missed', () =>
        this.serial.run(key, () => this.save(key, unsaved)),
      );
      // Still away: all of it waits for the next time.
      if (this.unsaved.get(key) === unsaved) break;
    }
    if (this.unsaved.size > 0) this.saveSoon();
  }

  private async save(key: string, unsaved: UnsavedWatches): Promise<void> {
    if (this.unsaved.get(key) !== unsaved) return;
    try {
      await this.giveUp(unsaved.watcher, await unsaved.saveIn(this.store));
    } catch (error) {
      if (isStoreUnavailable(error)) return;
      // Whoever is the device's home now writes something else.
      this.unsaved.delete(key);
      throw error;
    }
    this.unsaved.delete(key);
  }

  /** The store has others of the device, which could not be counted while it was away: all agree that these are not watched. */
  private async giveUp(watcher: DeviceAddress, refused: readonly UserId[]): Promise<void> {
    if (refused.length === 0) return;
    this.metrics.drop('presence', 'watches-over-limit', refused.length);
    await this.own?.unwatch(watcher, refused);
  }
}
