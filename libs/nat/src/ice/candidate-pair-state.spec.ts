import { readFileSync } from 'node:fs';
import { NatError } from '../errors.ts';
import type { IceCandidate, LocalCandidate } from './candidate.ts';
import { CandidatePair } from './candidate-pair.ts';
import { CANDIDATE_PAIR_TRANSITIONS, type CandidatePairState } from './candidate-pair-state.ts';
import { ICE_STATE_TRANSITIONS } from './ice-io.ts';
import { RELAY_CHOICE_TRANSITIONS } from './relay-choice.ts';

function reachableFrom<S extends string>(start: S, table: Readonly<Record<S, readonly S[]>>): ReadonlySet<S> {
  const reached = new Set<S>([start]);
  for (const state of reached) for (const next of table[state]) reached.add(next);
  return reached;
}

describe('candidate pair states (RFC 8445 section 6.1.2.6)', () => {
  it('every state can be reached from frozen, and none is a dead end', () => {
    const states = Object.keys(CANDIDATE_PAIR_TRANSITIONS) as CandidatePairState[];

    expect([...reachableFrom<CandidatePairState>('frozen', CANDIDATE_PAIR_TRANSITIONS)].sort()).toEqual(
      [...states].sort(),
    );
    for (const state of states) expect(CANDIDATE_PAIR_TRANSITIONS[state].length).toBeGreaterThan(0);
  });

  it('a transition says where it came from and why; one that the table lacks is a bug', () => {
    const candidate: IceCandidate = {
      kind: 'host',
      address: { family: 'ipv4', address: '192.0.2.1', port: 5000 },
      priority: 100,
      foundation: '1',
    };
    const local: LocalCandidate = { ...candidate, base: { id: 'socket', kind: 'socket', family: 'ipv4' } };
    const pair = new CandidatePair(local, candidate, 'controlling', 'frozen');

    expect(pair.transition('waiting', 'unfrozen')).toEqual({
      pair: 'socket|192.0.2.1|5000',
      from: 'frozen',
      to: 'waiting',
      cause: 'unfrozen',
    });
    expect(() => pair.transition('frozen', 'unfrozen')).toThrow(NatError);
  });
});

describe('agent states', () => {
  it('every state can be reached from new; only closed is final', () => {
    const states = Object.keys(ICE_STATE_TRANSITIONS) as (keyof typeof ICE_STATE_TRANSITIONS)[];

    expect([...reachableFrom<(typeof states)[number]>('new', ICE_STATE_TRANSITIONS)].sort()).toEqual(
      [...states].sort(),
    );
    expect(states.filter((state) => ICE_STATE_TRANSITIONS[state].length === 0)).toEqual(['closed']);
  });
});

describe('docs/architecture/ice.md', () => {
  const page = readFileSync(new URL('../../../../docs/architecture/ice.md', import.meta.url), 'utf8');
  const pictures = [...page.matchAll(/stateDiagram-v2\n(.*?)```/gs)].map((match) =>
    (match[1] ?? '').replaceAll('_', '-'),
  );

  function drawn(table: Readonly<Record<string, readonly string[]>>, start: string): readonly string[] {
    const arrows = Object.entries(table).flatMap(([from, targets]) =>
      targets.map((to) => `${from} --> ${to}`),
    );
    return [`[*] --> ${start}`, ...arrows].sort();
  }

  it.each([
    ['candidate pair', 0, CANDIDATE_PAIR_TRANSITIONS, 'frozen'],
    ['agent', 1, ICE_STATE_TRANSITIONS, 'new'],
    ['choice of a relay', 2, RELAY_CHOICE_TRANSITIONS, 'idle'],
  ] as const)('draws the table of the %s', (_name, index, table, start) => {
    const lines = (pictures[index] ?? '').split('\n').map((line) => line.trim());

    expect(lines.filter((line) => line !== '').sort()).toEqual(drawn(table, start));
  });
});
