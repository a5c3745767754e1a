/**
 * What a supernode makes of all others: who is down and why, who was verified from outside, who may have a seat. Pure: from
 * leases, probes and the roster to a judgement of each, with the reasons.
 */
import type { Instant } from '@parley/nat';
import type { LoadVector, NodeId, Reachability } from '../node-record.ts';
import type { Roster, Seat } from '../roster.ts';
import type { ElectionControls } from '../roster-store.port.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import type { Member } from './membership-view.ts';
import { newestVersion, scoreOf, scoreTerms, type ScoreTerms } from './score.ts';

/** Why a seat is lost; also the reason of the decision. */
export type Loss = 'lease-gone' | 'unreachable-for-peers' | 'restarted' | 'database-lost' | 'draining';

/** Why a supernode is no candidate for a seat. */
export type Objection =
  'down' | 'no-index-role' | 'draining' | 'pinned-standby' | 'unverified' | 'unreachable' | 'no-database';

export interface AssessedNode {
  readonly member: Member;
  readonly reachability: Reachability;
  readonly verdict: 'alive' | 'suspect' | 'down';
  /** What costs it the seat that it has, or would have. */
  readonly loss: Loss | undefined;
  readonly objections: readonly Objection[];
  /** By the smoothed load. */
  readonly terms: ScoreTerms;
  readonly score: number;
  /** By the load of this moment. */
  readonly rawScore: number;
  readonly seat: Seat | undefined;
}

/** Scores are for elections and for people; most judgements need none. */
class JudgedNode implements AssessedNode {
  private smoothTerms: ScoreTerms | undefined;
  private smoothScore: number | undefined;
  private currentScore: number | undefined;

  constructor(
    private readonly judgement: Omit<AssessedNode, 'terms' | 'score' | 'rawScore'>,
    private readonly newestVersion: () => string,
    private readonly settings: ClusterSettings,
  ) {}

  get member(): Member {
    return this.judgement.member;
  }

  get reachability(): Reachability {
    return this.judgement.reachability;
  }

  get verdict(): AssessedNode['verdict'] {
    return this.judgement.verdict;
  }

  get loss(): Loss | undefined {
    return this.judgement.loss;
  }

  get objections(): readonly Objection[] {
    return this.judgement.objections;
  }

  get seat(): Seat | undefined {
    return this.judgement.seat;
  }

  get terms(): ScoreTerms {
    return (this.smoothTerms ??= this.termsWith(this.member.averageLoad));
  }

  get score(): number {
    return (this.smoothScore ??= scoreOf(this.terms, this.settings.scoreWeights));
  }

  get rawScore(): number {
    const { load } = this.member.record;
    return (this.currentScore ??= scoreOf(this.termsWith(load), this.settings.scoreWeights));
  }

  private termsWith(load: LoadVector): ScoreTerms {
    return scoreTerms(this.member.record, load, this.reachability, this.newestVersion(), this.settings);
  }
}

export interface Assessment {
  readonly nodes: ReadonlyMap<NodeId, AssessedNode>;
  /** More leases vanished than can be true: those who answer are spared. */
  readonly isMassLeaseLoss: boolean;
  /** More supernodes are unreachable for their peers than can be true: their leases decide. */
  readonly isNetworkSplit: boolean;
}

/** What this supernode's own probes say. */
export interface ProbeOpinion {
  isFailing(nodeId: NodeId): boolean;
  answers(nodeId: NodeId): boolean;
}

export interface AssessmentInput {
  readonly members: readonly Member[];
  readonly roster: Roster;
  readonly controls: ElectionControls;
  readonly probes: ProbeOpinion;
  /** Leases that are missing at the last reading may be on their way back. */
  readonly isUnsettled: boolean;
  /** Since when each supernode says that it has no database; none where this one has none either. */
  readonly databaseLostSince: ReadonlyMap<NodeId, Instant>;
  /** Since when enough peers can't reach a supernode ({@link accusedNodes}). */
  readonly accusedSince: ReadonlyMap<NodeId, Instant>;
  readonly settings: ClusterSettings;
  /** Who judges: never itself by its lease. */
  readonly self: NodeId;
  /** When the newest reading of the leases was sent. */
  readonly readAt: Instant;
  readonly now: Instant;
}

/** Those that enough of their peers can't reach. */
export function accusedNodes(members: readonly Member[], settings: ClusterSettings): NodeId[] {
  const votes = votesOf(members);
  return members
    .map(({ record }) => record.nodeId)
    .filter((nodeId) => isAccused(votes.get(nodeId), settings));
}

export function assess(input: AssessmentInput): Assessment {
  const { members, settings } = input;
  const votes = votesOf(members);
  const split = members.filter((member) => isAccused(votes.get(member.record.nodeId), settings));
  const isNetworkSplit = isMass(split.length, members.length, settings);
  const spared = members.filter(
    (member) =>
      member.absentSince !== undefined &&
      (input.probes.answers(member.record.nodeId) ||
        (votes.get(member.record.nodeId)?.vouchers.length ?? 0) > 0),
  );
  const isMassLeaseLoss = isMass(spared.length, members.length, settings);
  const withoutDatabase = members.filter((member) => hasLostDatabase(member, input));
  // Where most are without it, taking their seats would only pile all slots on the rest.
  const isDatabaseLossJudged = !isMass(withoutDatabase.length, members.length, settings);
  let newest: string | undefined;
  const newestKnown = () =>
    (newest ??= newestVersion(
      members.flatMap(({ record, absentSince }) => (absentSince === undefined ? record.version : [])),
    ));
  const seats = new Map(input.roster.seats.map((seat) => [seat.nodeId, seat]));
  const isDown = (member: Member) => {
    const loss = lossOf(member);
    return loss === 'lease-gone' || loss === 'unreachable-for-peers';
  };
  // All at once is proof enough. Else it takes a round of probes to see whether it is this one or the network.
  const provenMs = settings.probeIntervalMs + 2 * settings.probeTimeoutMs;
  const isProven = ({ record }: Member) => {
    const { against, observers } = votes.get(record.nodeId) ?? NO_OPINIONS;
    const since = input.accusedSince.get(record.nodeId) ?? input.now;
    return against.length === observers || input.now - since >= provenMs;
  };
  const lossOf = (member: Member): Loss | undefined => {
    if (isLeaseGone(member, input) && !(isMassLeaseLoss && spared.includes(member))) return 'lease-gone';
    if (!isNetworkSplit && split.includes(member) && isProven(member) && !isSaturated(member, settings))
      return 'unreachable-for-peers';
    if (hasFormerSeat(member, seats)) return 'restarted';
    if (member.record.state === 'draining') return 'draining';
    return isDatabaseLossJudged && withoutDatabase.includes(member) ? 'database-lost' : undefined;
  };
  const activeNow = new Set(
    members
      .filter((member) => seatHeldBy(member, seats) !== undefined && !isDown(member))
      .map((member) => member.record.nodeId),
  );
  const nodes = new Map<NodeId, AssessedNode>();
  for (const member of members) {
    const { record } = member;
    const opinions = votes.get(record.nodeId) ?? NO_OPINIONS;
    const reachability = reachabilityOf(record.nodeId, opinions, activeNow);
    const isLost = isDown(member);
    const seat = seatHeldBy(member, seats);
    // The later run has the seat, by the word of another coordinator, and its lease was not read here yet: what the former one said
    // of itself is over. Without any lease nobody has the seat.
    const isFormerRun = seat !== undefined && seat.incarnation > record.incarnation;
    // The seat of a former run is lost whatever became of the later one: nobody else would take it from the dead.
    const ownLoss = hasFormerSeat(member, seats) ? 'restarted' : lossOf(member);
    const loss = isFormerRun && ownLoss !== 'lease-gone' ? undefined : ownLoss;
    const judgement = {
      member,
      reachability,
      verdict: isLost
        ? 'down'
        : member.absentSince !== undefined || opinions.against.length > 0
          ? 'suspect'
          : 'alive',
      loss,
      objections: objectionsTo(member, reachability, isLost || isFormerRun, activeNow, input.controls),
      seat,
    } as const;
    nodes.set(record.nodeId, new JudgedNode(judgement, newestKnown, settings));
  }
  return { nodes, isMassLeaseLoss, isNetworkSplit };
}

interface Opinions {
  readonly vouchers: readonly NodeId[];
  readonly against: readonly NodeId[];
  readonly observers: number;
}

const NO_OPINIONS: Opinions = { vouchers: [], against: [], observers: 0 };

/** What everybody says of everybody: only those with a lease have a say, and nobody about itself. */
function votesOf(members: readonly Member[]): ReadonlyMap<NodeId, Opinions> {
  const present = members.reduce((count, member) => count + (member.absentSince === undefined ? 1 : 0), 0);
  const votes = new Map<NodeId, { vouchers: NodeId[]; against: NodeId[]; readonly observers: number }>();
  for (const { record, absentSince } of members) {
    const observers = absentSince === undefined ? present - 1 : present;
    votes.set(record.nodeId, { vouchers: [], against: [], observers });
  }
  for (const { record, absentSince } of members) {
    if (absentSince !== undefined) continue;
    const { nodeId, reached, unreachable } = record;
    for (const other of reached) if (other !== nodeId) addVote(votes.get(other)?.vouchers, nodeId);
    for (const other of unreachable) if (other !== nodeId) addVote(votes.get(other)?.against, nodeId);
  }
  return votes;
}

/** One vote each, however often a list names somebody: all votes of a voter come one after the other. */
function addVote(votes: NodeId[] | undefined, voter: NodeId): void {
  if (votes !== undefined && votes.at(-1) !== voter) votes.push(voter);
}

/** Enough of the others, and most of them: at least two, since of two supernodes either may be the one that is cut off. */
function isAccused(opinions: Opinions | undefined, settings: ClusterSettings): boolean {
  const { against, observers } = opinions ?? NO_OPINIONS;
  const needed = Math.max(2, Math.min(settings.unreachableVotes, observers));
  return against.length >= needed && against.length * 2 > observers;
}

function isMass(count: number, total: number, settings: ClusterSettings): boolean {
  return count >= settings.massLossLeases && count > settings.massLossShare * total;
}

function isLeaseGone(member: Member, input: AssessmentInput): boolean {
  const { settings } = input;
  if (member.absentSince === undefined || member.record.nodeId === input.self) return false;
  if (input.probes.isFailing(member.record.nodeId)) return true;
  const neededMs = input.isUnsettled ? settings.storeReturnMs : settings.absenceMs;
  return input.readAt - member.absentSince >= neededMs;
}

/**
 * Alive by its lease, which it renews, and too busy to answer probes in time. To take its seat would only pile its load on the rest,
 * until none of them answers in time either.
 */
function isSaturated({ record, absentSince }: Member, settings: ClusterSettings): boolean {
  const { cpu, eventLoopDelayMs } = record.load;
  const isBusy = cpu >= settings.saturatedCpu || eventLoopDelayMs >= record.capacity.eventLoopDelayMs;
  return absentSince === undefined && isBusy;
}

function hasLostDatabase({ record }: Member, input: AssessmentInput): boolean {
  const since = input.databaseLostSince.get(record.nodeId);
  return since !== undefined && input.now - since >= input.settings.databaseLossMs;
}

/** A former run of it has a seat. */
function hasFormerSeat({ record }: Member, seats: ReadonlyMap<NodeId, Seat>): boolean {
  return (seats.get(record.nodeId)?.incarnation ?? record.incarnation) < record.incarnation;
}

/** The seat of this run of it, or of a later one that the roster knows and the leases do not yet. */
function seatHeldBy({ record }: Member, seats: ReadonlyMap<NodeId, Seat>): Seat | undefined {
  const seat = seats.get(record.nodeId);
  return seat !== undefined && seat.incarnation >= record.incarnation ? seat : undefined;
}

/** Verified by an active supernode; where no other one is active, by anybody. */
function reachabilityOf(
  nodeId: NodeId,
  { vouchers, against }: Opinions,
  activeNow: ReadonlySet<NodeId>,
): Reachability {
  const hasOtherActive = activeNow.size > (activeNow.has(nodeId) ? 1 : 0);
  const isVouched = hasOtherActive ? vouchers.some((voucher) => activeNow.has(voucher)) : vouchers.length > 0;
  if (isVouched) return 'verified';
  return against.length > 0 && vouchers.length === 0 ? 'unreachable' : 'unverified';
}

function objectionsTo(
  member: Member,
  reachability: Reachability,
  isDown: boolean,
  activeNow: ReadonlySet<NodeId>,
  controls: ElectionControls,
): Objection[] {
  const { record } = member;
  const found: Objection[] = [];
  if (isDown || member.absentSince !== undefined) found.push('down');
  if (!record.roles.includes('index')) found.push('no-index-role');
  if (record.state === 'draining') found.push('draining');
  if (controls.pins[record.nodeId] === 'standby') found.push('pinned-standby');
  if (!record.databaseReachable) found.push('no-database');
  if (reachability === 'unreachable') found.push('unreachable');
  // With nobody active there is nobody to verify it: somebody has to be the first.
  if (reachability === 'unverified' && activeNow.size > 0) found.push('unverified');
  return found;
}
