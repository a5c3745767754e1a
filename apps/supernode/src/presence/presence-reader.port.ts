import type { DeviceId, PresenceState, TenantId, UserId } from '@parley/protocol';

/** Presence of one user as administrators see it: nothing is hidden, `invisible` reads as it is. */
export interface AdminPresence {
  readonly userId: UserId;
  /** Coalesced over the user's devices. */
  readonly state: PresenceState;
  readonly statusText: string | null;
  /** Milliseconds since the epoch; null for a user who was never seen. */
  readonly lastSeen: number | null;
  readonly devices: readonly AdminDevicePresence[];
  /** When the coalesced state last changed, milliseconds since the epoch. */
  readonly updatedAt: number;
}

export interface AdminDevicePresence {
  readonly deviceId: DeviceId;
  readonly state: PresenceState;
  /** Has a live connection now (else it may still resume). */
  readonly reachable: boolean;
  readonly asOf: number;
}

export interface PresenceQuery {
  readonly tenant: TenantId;
  readonly state?: PresenceState;
  /** Only users whose state changed at or after it, milliseconds since the epoch. */
  readonly updatedSince?: number;
  /** Only users after this one, in the order of their ids. */
  readonly after?: UserId;
  readonly limit: number;
}

/** Reads presence for the admin API: a snapshot of available, not of consistent state (DESIGN section 5). */
export interface PresenceReader {
  /** At most `limit` users in the order of their ids; `next` is the last one's id where there may be more. */
  page(
    query: PresenceQuery,
  ): Promise<{ readonly items: readonly AdminPresence[]; readonly next: UserId | null }>;
  /** A user without a live device is offline; undefined for a user who does not exist. */
  find(tenant: TenantId, userId: UserId): Promise<AdminPresence | undefined>;
}

export const PRESENCE_READER = Symbol('PresenceReader');
