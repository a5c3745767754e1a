import type { TenantId, UserId } from '@parley/protocol';
import { userKey, type DeviceAddress } from '../identity/caller.ts';
import {
  compareVersions,
  type DevicePresence,
  type PresenceFilter,
  type PresenceStore,
} from './presence-store.port.ts';

/** Presence of one standalone supernode's users. Bounded by the devices that signed in and are not gone. */
export class MemoryPresenceStore implements PresenceStore {
  private readonly byUser = new Map<string, Map<string, DevicePresence>>();

  put(presence: DevicePresence): Promise<boolean> {
    const { tenant, userId, deviceId } = presence.device;
    const key = userKey(tenant, userId);
    const devices = this.byUser.get(key) ?? new Map<string, DevicePresence>();
    const stored = devices.get(deviceId);
    if (stored && compareVersions(stored.version, presence.version) >= 0) return Promise.resolve(false);
    devices.set(deviceId, presence);
    this.byUser.set(key, devices);
    return Promise.resolve(true);
  }

  remove({ tenant, userId, deviceId }: DeviceAddress): Promise<void> {
    const key = userKey(tenant, userId);
    const devices = this.byUser.get(key);
    devices?.delete(deviceId);
    if (devices?.size === 0) this.byUser.delete(key);
    return Promise.resolve();
  }

  devicesOf(tenant: TenantId, userId: UserId): Promise<readonly DevicePresence[]> {
    return Promise.resolve([...(this.byUser.get(userKey(tenant, userId))?.values() ?? [])]);
  }

  users({ tenant, after, limit }: PresenceFilter): Promise<readonly UserId[]> {
    const found = [...this.byUser.values()]
      .flatMap((devices) => [...devices.values()].slice(0, 1))
      .filter(({ device }) => device.tenant === tenant && (after === undefined || device.userId > after))
      .map(({ device }) => device.userId)
      .sort((a, b) => (a < b ? -1 : 1));
    return Promise.resolve(found.slice(0, limit));
  }
}
