import type { z } from 'zod';
import { LIMITS } from '../limits.ts';
import type { CALL_DIRECTIONS, CALL_OUTCOMES, callRecordSchema } from '../messages/calls.ts';
import type { CallCause } from './call-state.ts';

export type CallOutcome = (typeof CALL_OUTCOMES)[number];
export type CallDirection = (typeof CALL_DIRECTIONS)[number];
export type CallRecord = z.infer<typeof callRecordSchema>;

/** Causes that end a leg. */
export type CallEndCause = Exclude<CallCause, 'ring' | 'accept' | 'connect'>;

const OUTCOMES: Record<CallEndCause, Record<CallDirection, CallOutcome | null>> = {
  reject: { outgoing: 'rejected', incoming: 'rejected' },
  busy: { outgoing: 'busy', incoming: 'busy' },
  cancel: { outgoing: 'cancelled', incoming: 'missed' },
  expire: { outgoing: 'missed', incoming: 'missed' },
  unavailable: { outgoing: 'missed', incoming: 'missed' },
  'hang-up': { outgoing: 'completed', incoming: 'completed' },
  lost: { outgoing: 'completed', incoming: 'completed' },
  failed: { outgoing: 'failed', incoming: 'failed' },
  'answered-elsewhere': { outgoing: null, incoming: null },
  'glare-yield': { outgoing: null, incoming: null },
};

/** What a call was to a user, by what ended the leg; null when the call goes on elsewhere and this leg says nothing of it. */
export function callOutcome(cause: CallEndCause, direction: CallDirection): CallOutcome | null {
  return OUTCOMES[cause][direction];
}

/**
 * A record as it is to be shown at `now`. One whose end was never learned counts as ended after
 * `LIMITS.callRecordOpenMs`; when it really ended stays unknown.
 */
export function settledCallRecord(record: CallRecord, now: number): CallRecord {
  const isOver = record.outcome === null && record.startedAt + LIMITS.callRecordOpenMs <= now;
  return isOver ? { ...record, outcome: 'completed' } : record;
}
