import type { TenantId, UserId } from '@parley/protocol';
import type { Slot } from '../cluster/slot.ts';
import { deviceKey, userKey, type DeviceAddress } from '../identity/caller.ts';
import type { DeviceChannel } from './device-channel.ts';

/** The channels of this supernode, by device and by user. */
export class ChannelTable {
  private readonly channels = new Map<string, DeviceChannel>();
  private readonly byUser = new Map<string, Set<DeviceChannel>>();

  get size(): number {
    return this.channels.size;
  }

  all(): Iterable<DeviceChannel> {
    return this.channels.values();
  }

  get(device: DeviceAddress): DeviceChannel | undefined {
    return this.channels.get(deviceKey(device));
  }

  ofUser(tenant: TenantId, userId: UserId): readonly DeviceChannel[] {
    return [...(this.byUser.get(userKey(tenant, userId)) ?? [])];
  }

  inSlots(slots: ReadonlySet<Slot>): readonly DeviceChannel[] {
    return [...this.channels.values()].filter(({ tenure }) => slots.has(tenure.slot));
  }

  add(channel: DeviceChannel): DeviceChannel {
    const { device } = channel;
    this.channels.set(deviceKey(device), channel);
    const key = userKey(device.tenant, device.userId);
    const siblings = this.byUser.get(key) ?? new Set();
    this.byUser.set(key, siblings.add(channel));
    return channel;
  }

  /** Does nothing where another channel of the device is there. */
  remove(channel: DeviceChannel): void {
    const { device } = channel;
    if (this.channels.get(deviceKey(device)) !== channel) return;
    this.channels.delete(deviceKey(device));
    const key = userKey(device.tenant, device.userId);
    const siblings = this.byUser.get(key);
    siblings?.delete(channel);
    if (siblings?.size === 0) this.byUser.delete(key);
  }
}
