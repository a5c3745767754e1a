import type { DeviceId, TenantId, UserId } from '@parley/protocol';

/** One device of one user of one tenant. */
export interface DeviceAddress {
  readonly tenant: TenantId;
  readonly userId: UserId;
  readonly deviceId: DeviceId;
}

/** An authenticated device on a live connection, as services see it. */
export interface Caller extends DeviceAddress {
  /** False until the user's signed device list names this device. */
  readonly linked: boolean;
}

/** A map key for a user; the separator occurs in neither part. */
export function userKey(tenant: TenantId, userId: UserId): string {
  return `${tenant} ${userId}`;
}

export function deviceKey(device: DeviceAddress): string {
  return `${device.tenant} ${device.userId} ${device.deviceId}`;
}
