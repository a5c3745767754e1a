import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';
import type { DeviceState } from './coalesce.ts';

/** One device's presence. Updates of one device are ordered by (epoch, counter); the last writer wins. */
export interface DevicePresence extends DeviceState {
  readonly device: DeviceAddress;
  /** Has a live connection now. */
  readonly reachable: boolean;
  /** May still come back without loss until then, in milliseconds since the epoch; null while reachable. */
  readonly resumableUntil: number | null;
  readonly version: PresenceVersion;
  readonly asOf: number;
}

export interface PresenceVersion {
  readonly epoch: number;
  readonly counter: number;
}

export interface PresenceFilter {
  readonly tenant: TenantId;
  /** Only users after this one, in the order of their ids. */
  readonly after?: UserId;
  readonly limit: number;
}

/** Shared live state: available during a partition, last writer by (epoch, counter). */
export interface PresenceStore {
  /** False, and nothing stored, when a newer version of this device is there. */
  put(presence: DevicePresence): Promise<boolean>;
  remove(device: DeviceAddress): Promise<void>;
  devicesOf(tenant: TenantId, userId: UserId): Promise<readonly DevicePresence[]>;
  /** Users with at least one stored device, in the order of their ids. */
  users(filter: PresenceFilter): Promise<readonly UserId[]>;
}

export const PRESENCE_STORE = Symbol('PresenceStore');

/** Orders two versions: negative when `a` is older. */
export function compareVersions(a: PresenceVersion, b: PresenceVersion): number {
  return a.epoch - b.epoch || a.counter - b.counter;
}

/** Who watches whom: only devices that asked are told. */
export interface WatchStore {
  /** False when the watching device is at its limit and nothing was added. */
  watch(watcher: DeviceAddress, watched: readonly UserId[], limit: number): Promise<boolean>;
  unwatch(watcher: DeviceAddress, watched: readonly UserId[]): Promise<void>;
  unwatchAll(watcher: DeviceAddress): Promise<void>;
  watchersOf(tenant: TenantId, watched: UserId): Promise<readonly { userId: UserId; deviceId: DeviceId }[]>;
}

export const WATCH_STORE = Symbol('WatchStore');
