import { readFileSync } from 'node:fs';
import path from 'node:path';
import { SESSION_END_REASONS } from '../messages/rendezvous.ts';
import {
  CALL_STATES,
  CALL_TRANSITIONS,
  callTransition,
  causeOfSessionEnd,
  type CallCause,
  type CallState,
} from './call-state.ts';
import { callStateDiagram } from './testing/call-state-diagram.ts';

const causesOf = (state: CallState) => Object.keys(CALL_TRANSITIONS[state]) as CallCause[];

function reachableFrom(start: CallState): Set<CallState> {
  const seen = new Set<CallState>([start]);
  for (const state of seen) {
    for (const cause of causesOf(state)) seen.add(callTransition(state, cause)!.to);
  }
  return seen;
}

describe('the state table of a call leg', () => {
  it('reaches every state from a proposal, and the end from every state', () => {
    expect([...reachableFrom('proposed')].sort()).toEqual([...CALL_STATES].sort());
    for (const state of CALL_STATES) expect(reachableFrom(state)).toContain('ended');
  });

  it('has no way out of the end, and none back', () => {
    expect(causesOf('ended')).toEqual([]);
    for (const from of CALL_STATES) {
      for (const cause of causesOf(from)) {
        expect(CALL_STATES.indexOf(callTransition(from, cause)!.to)).toBeGreaterThan(
          CALL_STATES.indexOf(from),
        );
      }
    }
  });

  it('names from, to and cause of a change, and nothing for what cannot happen', () => {
    expect(callTransition('ringing', 'accept')).toEqual({ from: 'ringing', to: 'accepted', cause: 'accept' });
    expect(callTransition('ended', 'ring')).toBeUndefined();
    expect(callTransition('active', 'accept')).toBeUndefined();
    expect(callTransition('accepted', 'answered-elsewhere')).toBeUndefined();
  });

  it('is the picture in the documentation', () => {
    const file = path.resolve(import.meta.dirname, '../../../../docs/architecture/calls.md');
    const [, diagram] = /```mermaid\n(stateDiagram-v2[^`]*)\n```/.exec(readFileSync(file, 'utf8')) ?? [];
    expect(diagram).toBe(callStateDiagram());
  });
});

describe('causeOfSessionEnd', () => {
  it.each(SESSION_END_REASONS)('makes of %s something that ends a leg that hears it', (reason) => {
    const hearers = CALL_STATES.filter(
      (state) => callTransition(state, causeOfSessionEnd(reason, state)) !== undefined,
    );
    expect(hearers).not.toEqual([]);
    for (const state of hearers) {
      expect(callTransition(state, causeOfSessionEnd(reason, state))?.to).toBe('ended');
    }
  });

  it('takes a cancellation after the answer for hanging up', () => {
    expect(causeOfSessionEnd('cancelled', 'ringing')).toBe('cancel');
    expect(causeOfSessionEnd('cancelled', 'active')).toBe('hang-up');
  });
});
