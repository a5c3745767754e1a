import type { Clock } from '../clock/clock.port.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import {
  MAX_HOLDERS_READ,
  type ResourceHolder,
  type ResourceIndex,
  type ResourceName,
  type ResourceOffer,
} from './resource-index.port.ts';

const SEPARATOR = '\u0000';

const nameKey = ({ tenant, kind, key }: ResourceName): string => [tenant, kind, key].join(SEPARATOR);

interface Entry {
  readonly name: ResourceName;
  readonly device: DeviceAddress;
  readonly attributes: Readonly<Record<string, string>>;
  /** By the monotonic clock. */
  readonly endsAt: number;
}

/** The resource index of one standalone supernode. Bounded by the devices that hold something times their limit. */
export class MemoryResourceIndex implements ResourceIndex {
  private readonly byName = new Map<string, Map<string, Entry>>();
  private readonly byDevice = new Map<string, Set<string>>();

  constructor(private readonly clock: Pick<Clock, 'monotonic'>) {}

  announce(
    name: ResourceName,
    { device, attributes, ttlMs }: ResourceHolder,
    limit: number,
  ): Promise<boolean> {
    const now = this.clock.monotonic();
    const holder = deviceKey(device);
    for (const held of this.byDevice.get(holder) ?? []) {
      const endsAt = this.byName.get(held)?.get(holder)?.endsAt ?? 0;
      if (endsAt <= now) this.drop(held, holder);
    }
    const held = this.byDevice.get(holder) ?? new Set<string>();
    const key = nameKey(name);
    if (!held.has(key) && held.size >= limit) return Promise.resolve(false);
    held.add(key);
    this.byDevice.set(holder, held);
    const holders = this.byName.get(key) ?? new Map<string, Entry>();
    holders.set(holder, { name, device, attributes, endsAt: now + ttlMs });
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

  holders(name: ResourceName): Promise<readonly ResourceHolder[]> {
    const live = [...(this.byName.get(nameKey(name))?.values() ?? [])].flatMap((entry) => {
      const ttlMs = this.leftOf(entry);
      return ttlMs > 0 ? [{ device: entry.device, attributes: entry.attributes, ttlMs }] : [];
    });
    return Promise.resolve(live.sort((a, b) => b.ttlMs - a.ttlMs).slice(0, MAX_HOLDERS_READ));
  }

  offersOf(device: DeviceAddress): Promise<readonly ResourceOffer[]> {
    const key = deviceKey(device);
    const offers = [...(this.byDevice.get(key) ?? [])].flatMap((held) => {
      const entry = this.byName.get(held)?.get(key);
      const ttlMs = entry ? this.leftOf(entry) : 0;
      return entry && ttlMs > 0 ? [{ name: entry.name, attributes: entry.attributes, ttlMs }] : [];
    });
    return Promise.resolve(offers);
  }

  expire(): Promise<void> {
    for (const [name, holders] of this.byName) {
      for (const [device, entry] of holders) {
        if (this.leftOf(entry) <= 0) this.drop(name, device);
      }
    }
    return Promise.resolve();
  }

  private leftOf({ endsAt }: Entry): number {
    return Math.ceil(endsAt - this.clock.monotonic());
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
