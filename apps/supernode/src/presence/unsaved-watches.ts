import { LIMITS, type UserId } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';
import type { WatchStore } from './presence-store.port.ts';

/** What changed of the watches of one device while the store was away. Saving it twice does no harm. */
export class UnsavedWatches {
  private hasEndedAll = false;
  private readonly added = new Set<UserId>();
  private readonly removed = new Set<UserId>();

  constructor(readonly watcher: DeviceAddress) {}

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

  /** Gives the users that found no place. */
  async saveIn(store: WatchStore): Promise<readonly UserId[]> {
    if (this.hasEndedAll) await store.unwatchAll(this.watcher);
    if (this.removed.size > 0) await store.unwatch(this.watcher, [...this.removed]);
    return watchAsManyAsFit(store, this.watcher, [...this.added]);
  }
}

/**
 * Writes what a device was promised to watch while the store could not be asked, which may have others of it: those that find no place
 * are given back.
 */
export async function watchAsManyAsFit(
  store: Pick<WatchStore, 'watch'>,
  watcher: DeviceAddress,
  watched: readonly UserId[],
): Promise<readonly UserId[]> {
  const limit = LIMITS.maxSubscriptionsPerDevice;
  if (watched.length === 0 || (await store.watch(watcher, watched, limit))) return [];
  const refused: UserId[] = [];
  for (const userId of watched) {
    if (!(await store.watch(watcher, [userId], limit))) refused.push(userId);
  }
  return refused;
}
