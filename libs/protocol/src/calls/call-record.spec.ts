import { sessionIdSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { CALL_OUTCOMES } from '../messages/calls.ts';
import { CALL_STATES, CALL_TRANSITIONS, type CallCause } from './call-state.ts';
import { callOutcome, settledCallRecord, type CallEndCause, type CallRecord } from './call-record.ts';

const endCauses = [
  ...new Set(
    CALL_STATES.flatMap((state) =>
      Object.entries(CALL_TRANSITIONS[state])
        .filter(([, to]) => to === 'ended')
        .map(([cause]) => cause as CallCause),
    ),
  ),
] as CallEndCause[];

describe('callOutcome', () => {
  it('knows every cause that ends a leg, and every outcome has one', () => {
    const outcomes = endCauses.flatMap((cause) => [
      callOutcome(cause, 'outgoing'),
      callOutcome(cause, 'incoming'),
    ]);
    expect(new Set(outcomes)).toEqual(new Set([...CALL_OUTCOMES, null]));
  });

  it('is the same on both sides, but for a call that the caller took back: the callee missed it', () => {
    for (const cause of endCauses) {
      const [outgoing, incoming] = [callOutcome(cause, 'outgoing'), callOutcome(cause, 'incoming')];
      if (cause === 'cancel') expect([outgoing, incoming]).toEqual(['cancelled', 'missed']);
      else expect(outgoing).toBe(incoming);
    }
  });
});

describe('settledCallRecord', () => {
  const open: CallRecord = {
    cursor: 1,
    sessionId: sessionIdSchema.parse('KioqKioqKioqKioqKioqKg'),
    peer: userIdSchema.parse('bob'),
    direction: 'outgoing',
    media: ['audio'],
    startedAt: 1000,
    answeredAt: 2000,
    endedAt: null,
    outcome: null,
    answeredBy: null,
  };

  it('leaves a call that may still go on, and one that has an outcome', () => {
    expect(settledCallRecord(open, 999 + LIMITS.callRecordOpenMs)).toEqual(open);
    const failed: CallRecord = { ...open, outcome: 'failed' };
    expect(settledCallRecord(failed, Number.MAX_SAFE_INTEGER)).toEqual(failed);
  });

  it('closes a call whose end was never learned, without inventing a time', () => {
    const settled = settledCallRecord(open, 1000 + LIMITS.callRecordOpenMs);
    expect(settled).toEqual({ ...open, outcome: 'completed', endedAt: null });
  });
});
