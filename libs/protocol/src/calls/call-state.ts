import type { EventOf } from '../events.ts';

/** Where one leg of a call stands: the call as one device takes part in it, on either side. */
export const CALL_STATES = ['proposed', 'ringing', 'accepted', 'active', 'ended'] as const;
export type CallState = (typeof CALL_STATES)[number];

/**
 * Every change of a call leg and what brings it about. A call is `accepted` when the supernode has taken the answer, so
 * that two devices never both are; `active` when its media flow.
 */
export const CALL_TRANSITIONS = {
  proposed: {
    ring: 'ringing',
    accept: 'accepted',
    reject: 'ended',
    busy: 'ended',
    cancel: 'ended',
    expire: 'ended',
    unavailable: 'ended',
    'answered-elsewhere': 'ended',
    'glare-yield': 'ended',
  },
  ringing: {
    accept: 'accepted',
    reject: 'ended',
    busy: 'ended',
    cancel: 'ended',
    expire: 'ended',
    'answered-elsewhere': 'ended',
    'glare-yield': 'ended',
  },
  accepted: { connect: 'active', 'hang-up': 'ended', lost: 'ended', failed: 'ended' },
  active: { 'hang-up': 'ended', lost: 'ended', failed: 'ended' },
  ended: {},
} as const satisfies Record<CallState, Partial<Record<string, CallState>>>;

type CausesOf<State> = State extends CallState ? keyof (typeof CALL_TRANSITIONS)[State] : never;
export type CallCause = CausesOf<CallState>;

export interface CallTransition {
  readonly from: CallState;
  readonly to: CallState;
  readonly cause: CallCause;
}

/** What `cause` does to a leg in `from`; undefined when it can't happen now, and so changes nothing. */
export function callTransition(from: CallState, cause: CallCause): CallTransition | undefined {
  const exits: Partial<Record<CallCause, CallState>> = CALL_TRANSITIONS[from];
  const to = exits[cause];
  return to && { from, to, cause };
}

type EndReason = EventOf<'session.ended'>['reason'];

const CAUSE_OF_REASON = {
  cancelled: 'cancel',
  rejected: 'reject',
  busy: 'busy',
  'answered-elsewhere': 'answered-elsewhere',
  unavailable: 'unavailable',
  expired: 'expire',
  'hung-up': 'hang-up',
  lost: 'lost',
  failed: 'failed',
} as const satisfies Record<EndReason, CallCause>;

/** The cause that a `session.ended` with this reason is to a leg in `state`. */
export function causeOfSessionEnd(reason: EndReason, state: CallState): CallCause {
  const isAnswered = state === 'accepted' || state === 'active';
  return isAnswered && reason === 'cancelled' ? 'hang-up' : CAUSE_OF_REASON[reason];
}
