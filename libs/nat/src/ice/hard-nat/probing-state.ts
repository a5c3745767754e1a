import type { TransportAddress } from '../../net/transport-address.ts';
import type { Instant } from '../../time/instant.ts';
import type { CandidateBase, LocalCandidate } from '../candidate.ts';
import type { RandomPorts } from './port-sequences.ts';
import type { TraversalPlan } from './traversal-plan.ts';

/** One go at a path that simple opening does not reach. */
export interface ProbeAttempt {
  readonly plan: Exclude<TraversalPlan, 'ordinary' | 'hopeless'>;
  readonly local: LocalCandidate;
  /** The peer's reflexive address; of its ports the plan decides. */
  readonly target: TransportAddress;
  readonly startedAt: Instant;
  readonly endsAt: Instant;
  /** Checks, or on the random side sockets, in all. */
  readonly limit: number;
  readonly ports: RandomPorts | undefined;
  /** How many of them there were. */
  count: number;
  /** The next burst of sockets, the second pass of a spray, or the check of a socket that is being opened. */
  notBefore: Instant;
  /** Of a repeated `be-predicted`: the socket whose mapping is new. */
  extra: CandidateBase | undefined;
}

/** A check that left for a port that nobody told us; small, because there are thousands. */
export interface SentProbe {
  readonly base: CandidateBase;
  readonly to: TransportAddress;
}

/** The ports of two throw-away sockets, asked for right before and right after a check (see `port-sampling.ts`). */
export interface PortSandwich {
  readonly before: number;
  readonly after: number;
  beforeAddress: TransportAddress | undefined;
  afterAddress: TransportAddress | undefined;
}

/** What an agent knows about its attempts. The modules beside it are the rules; only they change it. */
export class ProbingState {
  attempt: ProbeAttempt | undefined;
  attempts = 0;
  nextAttemptAt: Instant | undefined;
  /** The ports of the reports at hand were tried. */
  isReportUsed = false;
  /** An authenticated check of the peer came in this generation: it has begun, its sockets are open or will be soon. */
  isPeerHeard = false;
  /** Open sockets beside the main one. */
  readonly extraSockets = new Map<string, CandidateBase>();
  /** Those of them on which the peer was heard: bases of pairs. */
  readonly adopted = new Map<string, LocalCandidate>();
  readonly sent = new Map<string, SentProbe>();
  sandwich: PortSandwich | undefined;
  sampleCount = 0;
  extraSocketCount = 0;
}
