import type { NatReport } from '../remote-network.ts';
import { isConclusive, planTraversal } from './traversal-plan.ts';

const EI = 'endpoint-independent';
const APD = 'address-and-port-dependent';

const NATS = {
  none: { mapping: 'none', filtering: 'unknown', portAllocation: 'preserving' },
  stable: { mapping: EI, filtering: APD, portAllocation: 'unknown' },
  'stable, as far as one server can tell': {
    mapping: 'unknown',
    dependsOnPort: false,
    filtering: APD,
    portAllocation: 'unknown',
  },
  'stable, open': { mapping: EI, filtering: 'address-dependent', portAllocation: 'unknown' },
  sequential: { mapping: APD, filtering: APD, portAllocation: 'sequential', portStep: 2, latestPort: 5000 },
  'sequential, not sampled': { mapping: APD, filtering: APD, portAllocation: 'sequential', portStep: 2 },
  random: { mapping: APD, filtering: APD, portAllocation: 'random' },
  'random, filter unknown': { mapping: APD, filtering: 'unknown', portAllocation: 'random' },
  'moving, ports unknown': { mapping: APD, filtering: APD, portAllocation: 'unknown' },
  unknown: { mapping: 'unknown', filtering: 'unknown', portAllocation: 'unknown' },
} as const satisfies Record<string, NatReport>;

describe('planTraversal', () => {
  it.each<[keyof typeof NATS, keyof typeof NATS, string, string]>([
    ['stable', 'stable', 'ordinary', 'ordinary'],
    ['none', 'random', 'guess', 'be-guessed'],
    ['stable', 'sequential', 'predict', 'be-predicted'],
    ['stable', 'random', 'guess', 'be-guessed'],
    ['stable, as far as one server can tell', 'random', 'guess', 'be-guessed'],
    ['stable, open', 'random', 'ordinary', 'ordinary'],
    ['stable, open', 'sequential', 'ordinary', 'ordinary'],
    ['sequential', 'sequential', 'spray', 'spray'],
    ['sequential', 'random', 'hopeless', 'hopeless'],
    ['random', 'random', 'hopeless', 'hopeless'],
    ['random, filter unknown', 'random, filter unknown', 'ordinary', 'ordinary'],
    ['random, filter unknown', 'random', 'hopeless', 'hopeless'],
    ['sequential, not sampled', 'stable', 'ordinary', 'ordinary'],
    ['moving, ports unknown', 'random', 'ordinary', 'ordinary'],
    ['unknown', 'random', 'ordinary', 'ordinary'],
  ])('%s × %s: %s, seen from the other side %s', (ours, theirs, plan, mirrored) => {
    expect(planTraversal(NATS[ours], NATS[theirs])).toBe(plan);
    expect(planTraversal(NATS[theirs], NATS[ours])).toBe(mirrored);
  });

  it('without a report of one side nothing is planned', () => {
    expect(planTraversal(undefined, NATS.random)).toBe('ordinary');
    expect(planTraversal(NATS.stable, undefined)).toBe('ordinary');
  });
});

describe('isConclusive', () => {
  it('is true where a plan can be made of the report', () => {
    const conclusive = Object.entries(NATS).filter(([, nat]) => isConclusive(nat));

    expect(conclusive.map(([name]) => name)).toEqual([
      'none',
      'stable',
      'stable, as far as one server can tell',
      'stable, open',
      'sequential',
      'random',
      'random, filter unknown',
    ]);
    expect(isConclusive(undefined)).toBe(false);
  });
});
