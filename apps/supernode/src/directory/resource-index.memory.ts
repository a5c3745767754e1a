import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import {
  MAX_HOLDERS_READ,
  type ResourceHolder,
  type ResourceIndex,
  type ResourceName,
} from './resource-index.port.ts';

const SEPARATOR = '\u0000';

const nameKey = ({ tenant, kind, key }: ResourceName): string => [tenant, kind, key].join(SEPARATOR);

/** The resource index of one standalone supernode. Bounded by the devices that hold something times their limit. */
export class MemoryResourceIndex implements ResourceIndex {
  private readonly byName = new Map<string, Map<string, ResourceHolder>>();
  private readonly byDevice = new Map<string, Set<string>>();

  announce(name: ResourceName, holder: ResourceHolder, limit: number, now: number): Promise<boolean> {
    const device = deviceKey(holder.device);
    for (const held of this.byDevice.get(device) ?? []) {
      const expiresAt = this.byName.get(held)?.get(device)?.expiresAt ?? 0;
      if (expiresAt <= now) this.drop(held, device);
    }
    const held = this.byDevice.get(device) ?? new Set<string>();
    const key = nameKey(name);
    if (!held.has(key) && held.size >= limit) return Promise.resolve(false);
    held.add(key);
    this.byDevice.set(device, held);
    const holders = this.byName.get(key) ?? new Map<string, ResourceHolder>();
    holders.set(device, holder);
    this.byName.set(key, holders);
    return Promise.resolve(true);
  }

  withdraw(name: ResourceName, device: DeviceAddress): Promise<void> {
    this.drop(nameKey(name), deviceKey(device));
    return Promise.resolve();
  }

  withdrawAll(device: DeviceAddress): Promise<void> {
    const key = deviceKey(device);
    for (const name of this.byDevice.get(key) ?? []) this.drop(name, key);
    return Promise.resolve();
  }

  holders(name: ResourceName, now: number): Promise<readonly ResourceHolder[]> {
    const live = [...(this.byName.get(nameKey(name))?.values() ?? [])].filter(
      (holder) => holder.expiresAt > now,
    );
    return Promise.resolve(live.sort((a, b) => b.expiresAt - a.expiresAt).slice(0, MAX_HOLDERS_READ));
  }

  expire(now: number): Promise<void> {
    for (const [name, holders] of this.byName) {
      for (const [device, holder] of holders) {
        if (holder.expiresAt <= now) this.drop(name, device);
      }
    }
    return Promise.resolve();
  }

  private drop(name: string, device: string): void {
    const holders = this.byName.get(name);
    holders?.delete(device);
    if (holders?.size === 0) this.byName.delete(name);
    const held = this.byDevice.get(device);
    held?.delete(name);
    if (held?.size === 0) this.byDevice.delete(device);
  }
}
