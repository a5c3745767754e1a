import type { TenantId } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';

export interface ResourceName {
  readonly tenant: TenantId;
  readonly kind: string;
  readonly key: string;
}

/** What a device says of a resource. */
export interface ResourceFacts {
  readonly attributes: Readonly<Record<string, string>>;
  /** Whole milliseconds from now on, by the clock of the index: those of supernodes do not matter. */
  readonly ttlMs: number;
}

export interface ResourceHolder extends ResourceFacts {
  readonly device: DeviceAddress;
}

export interface ResourceOffer extends ResourceFacts {
  readonly name: ResourceName;
}

/** Holders of one resource that are given at most: whoever asks sees a part of them anyway. */
export const MAX_HOLDERS_READ = 500;

/** Who offers what, now: live state with a time-to-live. The home of the holding device writes. */
export interface ResourceIndex {
  /** Announces or renews; false when the device is at its limit of resources, those aside that have expired. */
  announce(name: ResourceName, holder: ResourceHolder, limit: number): Promise<boolean>;
  withdraw(name: ResourceName, device: DeviceAddress): Promise<void>;
  withdrawAll(device: DeviceAddress): Promise<void>;
  /** Holders whose time-to-live has not ended, the longest-lived first; at most {@link MAX_HOLDERS_READ}. */
  holders(name: ResourceName): Promise<readonly ResourceHolder[]>;
  /** What a device offers. */
  offersOf(device: DeviceAddress): Promise<readonly ResourceOffer[]>;
  /** Forgets what has expired. */
  expire(): Promise<void>;
}

export const RESOURCE_INDEX = Symbol('ResourceIndex');
