import type { TenantId } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';

export interface ResourceName {
  readonly tenant: TenantId;
  readonly kind: string;
  readonly key: string;
}

export interface ResourceHolder {
  readonly device: DeviceAddress;
  readonly attributes: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Holders of one resource that are given at most: whoever asks sees a part of them anyway. */
export const MAX_HOLDERS_READ = 500;

/** Who offers what, now: live state with a time-to-live. The home of the holding device writes. */
export interface ResourceIndex {
  /** Announces or renews; false when the device is at its limit of resources, those aside that have expired at `now`. */
  announce(name: ResourceName, holder: ResourceHolder, limit: number, now: number): Promise<boolean>;
  withdraw(name: ResourceName, device: DeviceAddress): Promise<void>;
  withdrawAll(device: DeviceAddress): Promise<void>;
  /** Holders whose time-to-live has not ended at `now`, the longest-lived first; at most {@link MAX_HOLDERS_READ}. */
  holders(name: ResourceName, now: number): Promise<readonly ResourceHolder[]>;
  /** Forgets what has expired at `now`. */
  expire(now: number): Promise<void>;
}

export const RESOURCE_INDEX = Symbol('ResourceIndex');
