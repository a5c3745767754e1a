import type { DeviceId, PresenceState, TenantId, UserId } from '@parley/protocol';

/** What outlives connections: the user's choice, so that a hidden user is hidden from the first moment of a sign-in. */
export interface PresenceProfile {
  readonly chosen: 'online' | 'away' | 'busy' | 'invisible';
  readonly statusText: string | null;
  /** When others last saw the user leave, in milliseconds since the epoch. */
  readonly lastSeen: number | null;
}

export interface AccountPresence {
  readonly userId: UserId;
  readonly lastSeen: number | null;
}

export interface PresenceTransitionEntry {
  readonly tenant: TenantId;
  readonly userId: UserId;
  readonly deviceId: DeviceId | null;
  readonly from: PresenceState;
  readonly to: PresenceState;
  readonly cause: PresenceCause;
  readonly at: number;
}

/** Why a user's state changed; stable, for the history. */
export type PresenceCause =
  'explicit' | 'signed-in' | 'signed-off' | 'connection-lost' | 'expiry' | 'revoked';

/** Durable presence facts. */
export interface PresenceProfiles {
  load(tenant: TenantId, userId: UserId): Promise<PresenceProfile | undefined>;
  /** Users who were never seen are left out. */
  lastSeenOf(tenant: TenantId, userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, number>>;
  /** Accounts in the order of their ids, with what presence knows of them: the list for administrators. */
  accounts(tenant: TenantId, after: UserId | undefined, limit: number): Promise<readonly AccountPresence[]>;
  saveChoice(
    tenant: TenantId,
    userId: UserId,
    chosen: PresenceProfile['chosen'],
    statusText: string | null,
  ): Promise<void>;
  saveLastSeen(tenant: TenantId, userId: UserId, lastSeen: number): Promise<void>;
  /** Of users who have an account. */
  record(transitions: readonly PresenceTransitionEntry[]): Promise<void>;
  /** Deletes history that is older than its tenant keeps it; gives the number of entries. */
  prune(now: number): Promise<number>;
}

export const PRESENCE_PROFILES = Symbol('PresenceProfiles');
