import {
  callOutcome,
  type CallDirection,
  type CallEndCause,
  type CallMedia,
  type DeviceId,
  type SessionId,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';
import type { CallEntry } from './call-log.port.ts';

/** What the supernode knows of a call. Times are milliseconds since the epoch by its own clock. */
export interface CallFacts {
  readonly tenant: TenantId;
  readonly sessionId: SessionId;
  readonly caller: DeviceAddress;
  readonly callee: UserId;
  readonly media: readonly CallMedia[];
  readonly startedAt: number;
  /** Strangers and blocked callers leave no trace with the callee. */
  readonly isForCallee: boolean;
  readonly answer: { readonly by: DeviceId; readonly at: number } | null;
}

export interface CallEnd {
  readonly cause: CallEndCause;
  readonly at: number;
}

/**
 * What belongs into the histories of the two users: the caller's first, so that the caller hears of it equally soon whether
 * there is a second one or not. Nothing where the end says nothing of the call.
 */
export function entriesOf(call: CallFacts, end: CallEnd | null): readonly CallEntry[] {
  const { caller, callee } = call;
  const outgoing = entryOf(call, end, 'outgoing');
  const isForCallee = call.isForCallee && callee !== caller.userId;
  const incoming = isForCallee ? entryOf(call, end, 'incoming') : undefined;
  return [outgoing, incoming].filter((entry) => entry !== undefined);
}

function entryOf(call: CallFacts, end: CallEnd | null, direction: CallDirection): CallEntry | undefined {
  const outcome = end && callOutcome(end.cause, direction);
  if (end && outcome === null) return undefined;
  const { tenant, sessionId, caller, callee, media, startedAt, answer } = call;
  const isOutgoing = direction === 'outgoing';
  return {
    tenant,
    userId: isOutgoing ? caller.userId : callee,
    callerDeviceId: caller.deviceId,
    sessionId,
    peer: isOutgoing ? callee : caller.userId,
    direction,
    media: [...media],
    startedAt,
    answeredAt: answer?.at ?? null,
    endedAt: end?.at ?? null,
    outcome,
    answeredBy: answer?.by ?? null,
  };
}

/** The call behind an entry: of an answered one, so the callee knows of it. */
export function factsOfEntry(entry: CallEntry): CallFacts {
  const { tenant, sessionId, userId, peer, direction, callerDeviceId, media, startedAt } = entry;
  const [from, callee] = direction === 'outgoing' ? [userId, peer] : [peer, userId];
  const { answeredAt, answeredBy } = entry;
  const isAnswered = answeredAt !== null && answeredBy !== null;
  return {
    tenant,
    sessionId,
    caller: { tenant, userId: from, deviceId: callerDeviceId },
    callee,
    media,
    startedAt,
    isForCallee: true,
    answer: isAnswered ? { by: answeredBy, at: answeredAt } : null,
  };
}
