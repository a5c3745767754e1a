import type { SessionId, TenantId } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';

/**
 * Where a brokered session stands. `ended` sessions are forgotten, so it is no state. Every change carries its cause, as
 * the parties are told it.
 */
export const SESSION_STATES = ['offered', 'answered'] as const;
export type SessionState = (typeof SESSION_STATES)[number];

export const SESSION_TRANSITIONS = {
  offered: { answer: 'answered', cancel: 'ended', reject: 'ended', expire: 'ended' },
  answered: { cancel: 'ended', expire: 'ended' },
} as const satisfies Record<SessionState, Partial<Record<string, SessionState | 'ended'>>>;

export type SessionCause = keyof (typeof SESSION_TRANSITIONS)['offered'];

/** The state after `cause`, or undefined when it can't happen now. */
export function sessionTransition(
  state: SessionState,
  cause: SessionCause,
): SessionState | 'ended' | undefined {
  const transitions: Partial<Record<SessionCause, SessionState | 'ended'>> = SESSION_TRANSITIONS[state];
  return transitions[cause];
}

/** One session that this supernode brokers: who offered it, to which devices, and who answered. */
export interface BrokeredSession {
  readonly tenant: TenantId;
  readonly sessionId: SessionId;
  readonly state: SessionState;
  readonly caller: DeviceAddress;
  /** Devices that were told of the offer. */
  readonly offered: readonly DeviceAddress[];
  readonly answeredBy: DeviceAddress | null;
  /** Whether each side has the other as an accepted contact. */
  readonly areContacts: boolean;
  /** Whether the caller has the callee in its list, so that it may know an early end of the offer. */
  readonly callerKnowsCallee: boolean;
  /** Milliseconds since the epoch: end of the offer, or of the right to trickle after an answer. */
  readonly expiresAt: number;
}

export function isOffered(session: BrokeredSession, device: DeviceAddress): boolean {
  return session.offered.some(({ deviceId }) => deviceId === device.deviceId);
}

/** Whether the device called, or was offered the session. */
export function takesPart(session: BrokeredSession, device: DeviceAddress): boolean {
  return session.caller.deviceId === device.deviceId || isOffered(session, device);
}

/** Whether the device may end the session: the caller, and whoever answered. */
export function isParty(session: BrokeredSession, device: DeviceAddress): boolean {
  return session.caller.deviceId === device.deviceId || session.answeredBy?.deviceId === device.deviceId;
}
