import type { DeviceId, SessionId, TenantId, UserId } from '@parley/protocol';
import type { BrokeredSession, SessionState } from './brokered-session.ts';

/** Live state of brokered sessions. Any supernode may change any of them: each has users of two homes. */
export interface SessionBook {
  /** False when this session id is in the book already, or was within the replay window. */
  open(session: BrokeredSession, now: number): Promise<boolean>;
  find(tenant: TenantId, sessionId: SessionId): Promise<BrokeredSession | undefined>;
  /**
   * Replaces the session by what `change` makes of it, atomically; `change` gives null to end it and undefined to leave
   * it alone. Gives what was there before, when something changed.
   */
  change(
    tenant: TenantId,
    sessionId: SessionId,
    change: (session: BrokeredSession) => BrokeredSession | null | undefined,
  ): Promise<BrokeredSession | undefined>;
  /** How many sessions this device has as the caller, by their state. */
  countOf(tenant: TenantId, caller: DeviceId): Promise<Readonly<Record<SessionState, number>>>;
  /** Takes out the answered session that this caller opened first, calls aside; false when there is none. */
  forgetOldestAnswered(tenant: TenantId, caller: DeviceId): Promise<boolean>;
  /** Takes out and gives all sessions of which this device is the caller, but for answered calls: those are given time. */
  takeOf(tenant: TenantId, caller: DeviceId): Promise<readonly BrokeredSession[]>;
  /** Calls of which this device is a party: as the caller, or because it answered. */
  callsOf(tenant: TenantId, device: DeviceId): Promise<readonly BrokeredSession[]>;
  /** Offers of one user's devices that devices of another user may still answer. */
  offersBetween(tenant: TenantId, caller: UserId, callee: UserId): Promise<readonly BrokeredSession[]>;
  /**
   * Takes out and gives all sessions whose time is over at `now`. Those that are not confirmed are given again a little later,
   * perhaps to another supernode: who took them may be gone.
   */
  takeExpired(now: number): Promise<readonly BrokeredSession[]>;
  /** Everybody was told of the end of these. */
  confirmExpired(sessions: readonly BrokeredSession[]): Promise<void>;
}

export const SESSION_BOOK = Symbol('SessionBook');
