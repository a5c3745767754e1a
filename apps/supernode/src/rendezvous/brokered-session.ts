import type { CallMedia, DeviceId, SessionId, SessionOffer, TenantId, UserId } from '@parley/protocol';
import type { CallFacts } from '../calls/call-facts.ts';
import type { DeviceAddress } from '../identity/caller.ts';

/**
 * How long the two parties of an answered session may go on exchanging candidates, for ICE restarts; and how long a call
 * counts as going on without a word of its end.
 */
export const ANSWERED_LIFETIME_MS = 24 * 3600_000;

/**
 * Where a brokered session stands. `ended` sessions are forgotten, so it is no state. Every change carries its cause, as
 * the parties are told it.
 */
export const SESSION_STATES = ['offered', 'answered'] as const;
export type SessionState = (typeof SESSION_STATES)[number];

export const SESSION_TRANSITIONS = {
  offered: { answer: 'answered', cancel: 'ended', reject: 'ended', expire: 'ended' },
  answered: { cancel: 'ended', expire: 'ended', 'hang-up': 'ended' },
} as const satisfies Record<SessionState, Partial<Record<string, SessionState | 'ended'>>>;

type CausesOf<State> = State extends SessionState ? keyof (typeof SESSION_TRANSITIONS)[State] : never;
export type SessionCause = CausesOf<SessionState>;

/** The state after `cause`, or undefined when it can't happen now. */
export function sessionTransition(
  state: SessionState,
  cause: SessionCause,
): SessionState | 'ended' | undefined {
  const transitions: Partial<Record<SessionCause, SessionState | 'ended'>> = SESSION_TRANSITIONS[state];
  return transitions[cause];
}

/** What a session that is a call has besides. Times are milliseconds since the epoch. */
export interface BrokeredCall {
  readonly callee: UserId;
  readonly media: readonly CallMedia[];
  readonly startedAt: number;
  readonly answeredAt: number | null;
  /** When it stops ringing by itself. The session expires earlier than that while its caller is away. */
  readonly ringsUntil: number;
  /** Parties whose device went away for good after the answer, and when. */
  readonly lost: readonly { readonly deviceId: DeviceId; readonly at: number }[];
}

/** One session that this supernode brokers: who offered it, to which devices, and who answered. */
export interface BrokeredSession {
  readonly tenant: TenantId;
  readonly sessionId: SessionId;
  readonly state: SessionState;
  readonly caller: DeviceAddress;
  /** Devices that were told of the offer and may answer it. */
  readonly offered: readonly DeviceAddress[];
  /**
   * The callee wants nothing of it and the caller must not learn that: no device is told anything or may answer any more,
   * and for the caller the offer stands until it expires.
   */
  readonly isMuted: boolean;
  readonly answeredBy: DeviceAddress | null;
  /** Whether each side has the other as an accepted contact. */
  readonly areContacts: boolean;
  /** Whether the caller has the callee in its list, so that it may know an early end of the offer. */
  readonly callerKnowsCallee: boolean;
  /** Milliseconds since the epoch: end of the offer, or of the right to trickle after an answer. */
  readonly expiresAt: number;
  /** How the caller wants it to travel. */
  readonly policy: SessionOffer['policy'];
  /** Ids of the relays that were minted with the offer, by the callee's device. */
  readonly relays: ReadonlyMap<DeviceId, string>;
  /** Null for a session that is no call. */
  readonly call: BrokeredCall | null;
}

export function isOffered(session: BrokeredSession, device: DeviceAddress): boolean {
  return !session.isMuted && session.offered.some(({ deviceId }) => deviceId === device.deviceId);
}

/** Whether the device called, or was offered the session. */
export function takesPart(session: BrokeredSession, device: DeviceAddress): boolean {
  return session.caller.deviceId === device.deviceId || isOffered(session, device);
}

/** Whether the device may end the session: the caller, and whoever answered. */
export function isParty(session: BrokeredSession, device: DeviceAddress): boolean {
  return session.caller.deviceId === device.deviceId || session.answeredBy?.deviceId === device.deviceId;
}

/** What the history of calls is told of a session, if it is a call. */
export function callFactsOf(session: BrokeredSession): CallFacts | undefined {
  const { tenant, sessionId, caller, call, areContacts: isForCallee, answeredBy } = session;
  if (!call) return undefined;
  const { callee, media, startedAt, answeredAt } = call;
  const answer = answeredBy && answeredAt !== null ? { by: answeredBy.deviceId, at: answeredAt } : null;
  return { tenant, sessionId, caller, callee, media, startedAt, isForCallee, answer };
}
