import type { CallRecord, DeviceId, SessionId, TenantId, UserId } from '@parley/protocol';

/** A call as the history of one user holds it. */
export interface CallEntry extends Omit<CallRecord, 'cursor'> {
  readonly tenant: TenantId;
  /** Whose history it is. */
  readonly userId: UserId;
  readonly callerDeviceId: DeviceId;
}

export interface CallPage {
  /** By cursor, oldest first. */
  readonly calls: readonly CallRecord[];
  readonly hasMore: boolean;
}

/** Durable history of calls. */
export interface CallLog {
  /**
   * Adds the call or brings it up to date, with the user's next cursor; calls beyond `LIMITS.maxCallRecordsPerUser` leave.
   * Undefined when that changes nothing: the same again, a call that has ended already, or a user who does not exist.
   */
  save(entry: CallEntry): Promise<CallRecord | undefined>;
  find(tenant: TenantId, userId: UserId, sessionId: SessionId): Promise<CallEntry | undefined>;
  /** Of the calls that began at `since` or later. */
  page(tenant: TenantId, userId: UserId, after: number, limit: number, since?: number): Promise<CallPage>;
  /**
   * Deletes the calls of all users that began before `time`, and gives their number. The newest of each user stays until
   * another one follows, since the next cursor follows from its own: `since` hides it.
   */
  dropStartedBefore(time: number): Promise<number>;
}

export const CALL_LOG = Symbol('CallLog');
