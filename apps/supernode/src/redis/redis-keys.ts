import { createHash } from 'node:crypto';
import type { DeviceId, SessionId, TenantId, UserId } from '@parley/protocol';
import { slotOf, type Slot } from '../cluster/slot.ts';
import { deviceKey, userKey, type DeviceAddress } from '../identity/caller.ts';

/**
 * The name of every key in Redis, and when it goes. All begin with `parley:` and the id of the cluster, so that clusters may share
 * a server. What one script touches shares a hash tag, `{…}`, so that it is on one server of a Redis Cluster.
 */
export class RedisKeys {
  /** What all names of the cluster begin with. */
  readonly prefix: string;

  constructor(cluster: string) {
    this.prefix = `parley:${cluster}`;
  }

  /** Highest epoch seen of a slot. No expiry: the slot owns it, of which there are `SLOT_COUNT`. */
  fence(slot: Slot): string {
    return this.ofSlot(slot, 'fence');
  }

  /**
   * Hash: the presence of each device of a user. Renewed by the user's home; goes two days after the last write, and an hour
   * after the last device.
   */
  presence(tenant: TenantId, userId: UserId): string {
    return this.ofSlot(slotOf(tenant, userId), `presence:${userKey(tenant, userId)}`);
  }

  /** Set: users of a slot with a stored device. Renewed by every write in the slot; goes two days after the last. */
  presentUsers(slot: Slot): string {
    return this.ofSlot(slot, 'present');
  }

  /** Sorted set by name: users of a tenant with a stored device. Renewed by every sign-in; goes two days after the last. */
  presentUsersOf(tenant: TenantId): string {
    return `${this.prefix}:present:${tenant}`;
  }

  /** Set: users whom a device watches. Renewed by the device's home; goes a week after the last write. */
  watched(device: DeviceAddress): string {
    return this.ofSlot(slotOf(device.tenant, device.userId), `watched:${deviceKey(device)}`);
  }

  /** Set: users whom a device watches no more, until it is taken from among their watchers. Goes a week after the last write. */
  unwatched(device: DeviceAddress): string {
    return this.ofSlot(slotOf(device.tenant, device.userId), `unwatched:${deviceKey(device)}`);
  }

  /**
   * Hash: devices that watch a user, each with the epoch of its home. Renewed by the homes of those devices; goes a week after the
   * last of that, and ten minutes after the last device.
   */
  watchers(tenant: TenantId, userId: UserId): string {
    return this.ofSlot(slotOf(tenant, userId), `watched-by:${userKey(tenant, userId)}`);
  }

  /** Sorted set by when they are forgotten: devices in that hash that watch no more. Goes with it. */
  formerWatchers(tenant: TenantId, userId: UserId): string {
    return this.ofSlot(slotOf(tenant, userId), `watched-before:${userKey(tenant, userId)}`);
  }

  /** Hash: where a device's events stand. Renewed by every heartbeat of its connection; goes with the resume window. */
  resume(device: DeviceAddress): string {
    return this.resumePrefix(device.tenant, device.userId) + device.deviceId;
  }

  /** What precedes the device in the key of its record. */
  resumePrefix(tenant: TenantId, userId: UserId): string {
    return this.ofSlot(slotOf(tenant, userId), `resume:${userKey(tenant, userId)} `);
  }

  /** List: the events themselves. Goes with the resume record. */
  resumeEvents(device: DeviceAddress): string {
    return this.resumeEventsPrefix(device.tenant, device.userId) + device.deviceId;
  }

  resumeEventsPrefix(tenant: TenantId, userId: UserId): string {
    return this.ofSlot(slotOf(tenant, userId), `resume-events:${userKey(tenant, userId)} `);
  }

  /** Set: devices of a user with a resume record. Goes with the last of them. */
  resumableDevices(tenant: TenantId, userId: UserId): string {
    return this.ofSlot(slotOf(tenant, userId), `resumable:${userKey(tenant, userId)}`);
  }

  /** String: the device that a resume token was given to. Renewed with the record; goes some hours after it. */
  resumeToken(tokenHash: string): string {
    return `${this.prefix}:resume-token:${tokenHash}`;
  }

  /** Sorted set by expiry: resources that a device offers. Goes with the last of them. */
  offeredBy(device: DeviceAddress): string {
    return this.ofSlot(slotOf(device.tenant, device.userId), `offers:${deviceKey(device)}`);
  }

  /** Set: resources that a device offers no more, until it is taken from among their holders. Goes a day after the last write. */
  withdrawnBy(device: DeviceAddress): string {
    return this.ofSlot(slotOf(device.tenant, device.userId), `withdrawn:${deviceKey(device)}`);
  }

  /** Sorted set by expiry: devices that offer a resource. Goes with the last of them. */
  holders(resource: string): string {
    return `${this.prefix}:{r${digest(resource)}}:holders`;
  }

  /** Hash: what each of those devices says of it, after the epoch of its home. Goes with the last of them, or ten minutes after it was withdrawn. */
  holderFacts(resource: string): string {
    return `${this.prefix}:{r${digest(resource)}}:holder-facts`;
  }

  /** Sorted set by when they are forgotten: devices in that hash that offer the resource no more. Goes with it. */
  formerHolders(resource: string): string {
    return `${this.prefix}:{r${digest(resource)}}:former-holders`;
  }

  /** Hash: a brokered session. Goes an hour after the session's end. */
  session(tenant: TenantId, sessionId: SessionId): string {
    return this.sessionPrefix + sessionMember(tenant, sessionId);
  }

  /** What precedes a {@link sessionMember} in the key of its record. */
  get sessionPrefix(): string {
    return `${this.prefix}:{sessions}:one:`;
  }

  /** String: when a session id was used. Goes with the replay window. */
  usedSession(tenant: TenantId, sessionId: SessionId): string {
    return `${this.prefix}:{sessions}:used:${sessionMember(tenant, sessionId)}`;
  }

  /** Sorted set by expiry: all sessions. Goes with the last of them. */
  get sessionExpiries(): string {
    return `${this.prefix}:{sessions}:expiries`;
  }

  /** Sorted set by when they are given again: expired sessions of which nobody confirmed that their parties were told. Goes an hour after the last of them. */
  get sessionsTaken(): string {
    return `${this.prefix}:{sessions}:taken`;
  }

  /** Sorted set in the order of their beginning: sessions that a device takes part in. Goes with the last of them. */
  sessionsOf(tenant: TenantId, device: DeviceId): string {
    return `${this.prefix}:{sessions}:of:${tenant} ${device}`;
  }

  /** Sorted set: open offers of one user to another. Goes with the last of them. */
  offersBetween(tenant: TenantId, caller: UserId, callee: UserId): string {
    return `${this.prefix}:{sessions}:between:${tenant} ${caller} ${callee}`;
  }

  /** String: the supernode where a device waits to be linked. Goes with the time that it may wait. */
  waitingDevice(tenant: TenantId, deviceId: DeviceId): string {
    return `${this.prefix}:waiting:${tenant} ${deviceId}`;
  }

  /** Hash: what each supernode publishes of itself. Goes with the last lease. */
  get nodeRecords(): string {
    return `${this.prefix}:{members}:records`;
  }

  /** Sorted set by expiry: the leases of supernodes. Goes with the last lease. */
  get nodeLeases(): string {
    return `${this.prefix}:{members}:leases`;
  }

  /** String: who coordinates. Goes with the lease. */
  get coordinator(): string {
    return `${this.prefix}:{members}:coordinator`;
  }

  /** String: made when Redis was empty, so that a supernode notices that it was emptied. No expiry: the cluster owns it, one. */
  get birthmark(): string {
    return `${this.prefix}:birthmark`;
  }

  /** Channel, not a key: what is sent to one supernode. */
  linkChannel(nodeId: string): string {
    return `${this.prefix}:link:${nodeId}`;
  }

  /** Channel, not a key: a new roster was written. */
  get rosterChannel(): string {
    return `${this.prefix}:roster`;
  }

  private ofSlot(slot: Slot, rest: string): string {
    return `${this.prefix}:{s${slot}}:${rest}`;
  }
}

/** Names a session among those of all tenants; the separator occurs in neither part. */
export function sessionMember(tenant: TenantId, sessionId: SessionId): string {
  return `${tenant} ${sessionId}`;
}

/** Names of resources may be long and hold any character. */
function digest(resource: string): string {
  return createHash('sha256').update(resource).digest('base64url');
}
