import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import { deviceKey, userKey, type DeviceAddress } from '../identity/caller.ts';
import type { WatchStore } from './presence-store.port.ts';

/** Watches of the devices on one standalone supernode, indexed both ways. */
export class MemoryWatchStore implements WatchStore {
  private readonly watchers = new Map<string, Map<string, DeviceAddress>>();
  private readonly watchedUsers = new Map<string, Set<UserId>>();

  watch(watcher: DeviceAddress, watched: readonly UserId[], limit: number): Promise<boolean> {
    const key = deviceKey(watcher);
    const own = this.watchedUsers.get(key) ?? new Set<UserId>();
    const fresh = new Set(watched.filter((userId) => !own.has(userId)));
    if (own.size + fresh.size > limit) return Promise.resolve(false);
    for (const userId of fresh) {
      own.add(userId);
      const target = userKey(watcher.tenant, userId);
      const devices = this.watchers.get(target) ?? new Map<string, DeviceAddress>();
      devices.set(key, watcher);
      this.watchers.set(target, devices);
    }
    if (own.size > 0) this.watchedUsers.set(key, own);
    return Promise.resolve(true);
  }

  unwatch(watcher: DeviceAddress, watched: readonly UserId[]): Promise<void> {
    const key = deviceKey(watcher);
    const own = this.watchedUsers.get(key);
    for (const userId of watched) {
      if (!own?.delete(userId)) continue;
      const target = userKey(watcher.tenant, userId);
      const devices = this.watchers.get(target);
      devices?.delete(key);
      if (devices?.size === 0) this.watchers.delete(target);
    }
    if (own?.size === 0) this.watchedUsers.delete(key);
    return Promise.resolve();
  }

  unwatchAll(watcher: DeviceAddress): Promise<void> {
    return this.unwatch(watcher, [...(this.watchedUsers.get(deviceKey(watcher)) ?? [])]);
  }

  watchedBy(watcher: DeviceAddress): Promise<readonly UserId[]> {
    return Promise.resolve([...(this.watchedUsers.get(deviceKey(watcher)) ?? [])]);
  }

  watchersOf(tenant: TenantId, watched: UserId): Promise<readonly { userId: UserId; deviceId: DeviceId }[]> {
    const devices = this.watchers.get(userKey(tenant, watched))?.values() ?? [];
    return Promise.resolve([...devices].map(({ userId, deviceId }) => ({ userId, deviceId })));
  }

  renew(_watcher: DeviceAddress): Promise<void> {
    return Promise.resolve();
  }
}
