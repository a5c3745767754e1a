import type { ExpectedPath } from './expected-paths.ts';
import type { SiteKind } from './site-kinds.ts';

/** A pair under a condition that the matrix has not. */
export interface Scenario {
  readonly name: string;
  readonly what: string;
  readonly a: SiteKind;
  readonly b: SiteKind;
  readonly expected: ExpectedPath;
  /** Both clients are on one network, behind one NAT. */
  readonly isSameSite?: boolean;
  /** Another host behind the NAT of `a` opens so many mappings per second. */
  readonly churnPerSecond?: number;
  /** Both clients are signed in and silent for a while before each session. */
  readonly isIdleBefore?: boolean;
  /** Fewer than the matrix has, where a run takes long. */
  readonly runs?: number;
}

const PREDICTED: ExpectedPath = { path: 'direct', by: 'prediction' };
const OPENED: ExpectedPath = { path: 'direct', by: 'opening' };
const CHURN_PER_SECOND = 50;
/** So that samples from before the idle time are wrong. */
const IDLE_CHURN_PER_SECOND = 5;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'seq-1+churn:ei-apd',
    what: 'another host opens 50 mappings per second on the sequential NAT',
    a: 'seq-1',
    b: 'ei-apd',
    expected: PREDICTED,
    churnPerSecond: CHURN_PER_SECOND,
  },
  {
    name: 'seq-1+churn:seq-1',
    what: 'the same, with sequential ports on the other side too',
    a: 'seq-1',
    b: 'seq-1',
    expected: PREDICTED,
    churnPerSecond: CHURN_PER_SECOND,
  },
  {
    name: 'seq-1+idle:ei-apd',
    what: 'idle clients, while another host moves the sequence on',
    a: 'seq-1',
    b: 'ei-apd',
    expected: PREDICTED,
    churnPerSecond: IDLE_CHURN_PER_SECOND,
    isIdleBefore: true,
    runs: 2,
  },
  {
    name: 'same-nat:ei-apd',
    what: 'two clients behind one NAT',
    a: 'ei-apd',
    b: 'ei-apd',
    expected: OPENED,
    isSameSite: true,
  },
  {
    name: 'same-nat:apd-random',
    what: 'two clients behind one NAT with random ports',
    a: 'apd-random',
    b: 'apd-random',
    expected: OPENED,
    isSameSite: true,
  },
];
