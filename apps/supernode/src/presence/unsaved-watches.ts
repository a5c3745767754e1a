import { LIMITS, type UserId } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';
import type { WatchStore } from './presence-store.port.ts';

/** What changed of the watches of one device while the store was away. Saving it twice does no harm. */
export class UnsavedWatches {
  private hasEndedAll = false;
  private readonly added = new Set<UserId>();
  private readonly removed = new Set<UserId>();

  constructor(private readonly watcher: DeviceAddress) {}

  watch(watched: readonly UserId[]): void {
    for (const userId of watched) {
      this.added.add(userId);
      this.removed.delete(userId);
    }
  }

  unwatch(watched: readonly UserId[]): void {
    for (const userId of watched) {
      this.added.delete(userId);
      this.removed.add(userId);
    }
  }

  unwatchAll(): void {
    this.hasEndedAll = true;
    this.added.clear();
    this.removed.clear();
  }

  async saveIn(store: WatchStore): Promise<void> {
    if (this.hasEndedAll) await store.unwatchAll(this.watcher);
    if (this.removed.size > 0) await store.unwatch(this.watcher, [...this.removed]);
    if (this.added.size > 0) {
      await store.watch(this.watcher, [...this.added], LIMITS.maxSubscriptionsPerDevice);
    }
  }
}
