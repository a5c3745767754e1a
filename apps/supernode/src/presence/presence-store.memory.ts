import type { TenantId, UserId } from '@parley/protocol';
import type { Ownership } from '../cluster/ownership.port.ts';
import { requiredTenure } from '../cluster/required-tenure.ts';
import { slotOf, type Slot } from '../cluster/slot.ts';
import { userKey, type DeviceAddress } from '../identity/caller.ts';
import type {
  DevicePresence,
  PresenceFilter,
  PresenceStore,
  StoredUser,
  UserPresence,
} from './presence-store.port.ts';

/** Presence of one standalone supernode's users. Bounded by the devices that signed in and are not gone. */
export class MemoryPresenceStore implements PresenceStore {
  private readonly byUser = new Map<string, Map<string, DevicePresence>>();
  /** One for all users: it grows with every write and read, so that no version needs to be remembered. */
  private counter = 0;

  constructor(private readonly ownership: Pick<Ownership, 'tenureOf'>) {}

  put(presence: DevicePresence): Promise<void> {
    const { tenant, userId, deviceId } = presence.device;
    return this.write(tenant, userId, () => {
      const key = userKey(tenant, userId);
      const devices = this.byUser.get(key) ?? new Map<string, DevicePresence>();
      devices.set(deviceId, presence);
      this.byUser.set(key, devices);
    });
  }

  remove({ tenant, userId, deviceId }: DeviceAddress): Promise<void> {
    return this.write(tenant, userId, () => {
      const key = userKey(tenant, userId);
      const devices = this.byUser.get(key);
      devices?.delete(deviceId);
      if (devices?.size === 0) this.byUser.delete(key);
    });
  }

  read(tenant: TenantId, userId: UserId): Promise<UserPresence> {
    this.counter += 1;
    const epoch = this.ownership.tenureOf(tenant, userId)?.epoch ?? 0;
    const version = { epoch, counter: this.counter };
    return Promise.resolve({ devices: this.stored(tenant, userId), version });
  }

  devicesOf(tenant: TenantId, userId: UserId): Promise<readonly DevicePresence[]> {
    return Promise.resolve(this.stored(tenant, userId));
  }

  users({ tenant, after, limit }: PresenceFilter): Promise<readonly UserId[]> {
    const found = this.storedUsers()
      .filter((user) => user.tenant === tenant && (after === undefined || user.userId > after))
      .map(({ userId }) => userId)
      .sort((a, b) => (a < b ? -1 : 1));
    return Promise.resolve(found.slice(0, limit));
  }

  usersOfSlot(slot: Slot): Promise<readonly StoredUser[]> {
    return Promise.resolve(
      this.storedUsers().filter(({ tenant, userId }) => slotOf(tenant, userId) === slot),
    );
  }

  renew(): Promise<void> {
    return Promise.resolve();
  }

  private stored(tenant: TenantId, userId: UserId): DevicePresence[] {
    return [...(this.byUser.get(userKey(tenant, userId))?.values() ?? [])];
  }

  private storedUsers(): StoredUser[] {
    return [...this.byUser.values()]
      .flatMap((devices) => [...devices.values()].slice(0, 1))
      .map(({ device: { tenant, userId } }) => ({ tenant, userId }));
  }

  // Async, so that a missing tenure rejects and does not throw.
  private async write(tenant: TenantId, userId: UserId, change: () => void): Promise<void> {
    requiredTenure(this.ownership, tenant, userId);
    this.counter += 1;
    change();
    return Promise.resolve();
  }
}
