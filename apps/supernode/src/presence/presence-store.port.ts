import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import type { Slot } from '../cluster/slot.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import type { DeviceState } from './coalesce.ts';

/** One device's presence. */
export interface DevicePresence extends DeviceState {
  readonly device: DeviceAddress;
  /** Has a live connection now. */
  readonly reachable: boolean;
  /** May still come back without loss until then, in milliseconds since the epoch; null while reachable. */
  readonly resumableUntil: number | null;
  readonly asOf: number;
  /** When what the user chose for a limited time ends, in milliseconds since the epoch. */
  readonly endsAt?: number;
}

/** Orders views of one user: by the epoch of its slot, so that a later home outranks an earlier one, then by counter. */
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

/** All that is stored of one user at the moment of the read. */
export interface UserPresence {
  readonly devices: readonly DevicePresence[];
  /**
   * Newer than every write that was read and older than every later one, on whichever supernode: a view made of this carries
   * it. It moves with each read, so it tells strangers nothing of what the user does.
   */
  readonly version: PresenceVersion;
}

export interface StoredUser {
  readonly tenant: TenantId;
  readonly userId: UserId;
}

/**
 * Shared live state, available during a partition. Only the home of a user writes, under its tenure of the user's slot: the
 * last writer by (epoch, order of arrival) wins.
 */
export interface PresenceStore {
  /** @throws SupernodeError SN_NOT_OWNER when this supernode is not the user's home, or another one became so since */
  put(presence: DevicePresence): Promise<void>;
  /** @throws SupernodeError SN_NOT_OWNER */
  remove(device: DeviceAddress): Promise<void>;
  read(tenant: TenantId, userId: UserId): Promise<UserPresence>;
  devicesOf(tenant: TenantId, userId: UserId): Promise<readonly DevicePresence[]>;
  /** Users with at least one stored device, in the order of their ids. */
  users(filter: PresenceFilter): Promise<readonly UserId[]>;
  /** Users of a slot with at least one stored device, for its new owner. */
  usersOfSlot(slot: Slot): Promise<readonly StoredUser[]>;
  /** Keeps what is stored of a user who stays; without it everything goes a day after the last write. */
  renew(tenant: TenantId, userId: UserId): Promise<void>;
}

export const PRESENCE_STORE = Symbol('PresenceStore');

/** Orders two versions: negative when `a` is older. */
export function compareVersions(a: PresenceVersion, b: PresenceVersion): number {
  return a.epoch - b.epoch || a.counter - b.counter;
}

/** Who watches whom: only devices that asked are told. The home of the watching device writes. */
export interface WatchStore {
  /** False when the watching device is at its limit and nothing was added. */
  watch(watcher: DeviceAddress, watched: readonly UserId[], limit: number): Promise<boolean>;
  unwatch(watcher: DeviceAddress, watched: readonly UserId[]): Promise<void>;
  unwatchAll(watcher: DeviceAddress): Promise<void>;
  watchedBy(watcher: DeviceAddress): Promise<readonly UserId[]>;
  watchersOf(tenant: TenantId, watched: UserId): Promise<readonly { userId: UserId; deviceId: DeviceId }[]>;
  /** Keeps the watches of a device that stays; without it they go some days after the last one was added. */
  renew(watcher: DeviceAddress): Promise<void>;
}

export const WATCH_STORE = Symbol('WatchStore');
