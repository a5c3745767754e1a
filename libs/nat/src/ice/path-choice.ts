/**
 * Which path carries data (DESIGN 6.6). The relay carries it first, on the consent of the accepted offer; then the first
 * valid pair; better ones take over as they validate. The controlling side nominates its choice each time it changes
 * (renomination), the controlled side follows the last nomination as long as that pair is valid here.
 */
import { after, type Instant } from '../time/instant.ts';
import { reportPath, type AgentContext, type CurrentPath } from './agent-context.ts';
import type { CandidateKind } from './candidate.ts';
import type { CandidatePair } from './candidate-pair.ts';
import type { PathLossCause } from './ice-io.ts';
import { sendCheck, sendUrgentCheck } from './outgoing-checks.ts';
import { isClearlyShorter, type RelayOptions } from './relay-choice.ts';
import { isInDoubt } from './relay-doubt.ts';

/** How long an answer proves that a path lives which would be preferred. */
const PROOF_MS = 1000;
/** Longer than any round trip. */
const UNKNOWN_MS = 1e6;
/** Beside a relayed path, where each side has up to four relays. */
const MAX_WARM_RELAYS = 6;

/** Through our own relay: how likely the peer's candidate is reached from there, before anything is known. */
const REACH_THROUGH_RELAY: Readonly<Record<CandidateKind, number>> = {
  relayed: 3,
  serverReflexive: 2,
  peerReflexive: 1,
  host: 0,
};
const REACH_PEER_RELAY_DIRECTLY = 4;
/** Both ends are registered there, and nothing has to be permitted first. */
const REACH_THROUGH_NATIVE_RELAY = 5;

/** Brings the current path up to date with the pairs; runs after every input. */
export function choosePath(agent: AgentContext, now: Instant): void {
  const chosen = bestValid(agent, now);
  if (chosen !== undefined) {
    if (agent.current?.pair !== chosen || agent.current.provisionalUntil !== undefined) {
      moveTo(agent, { pair: chosen, provisionalUntil: undefined, since: now });
    }
    agent.setState('connected', 'pair-succeeded');
    if (agent.role === 'controlling' && agent.nominated?.pair !== chosen) nominate(agent, chosen, now);
    return;
  }
  if (isCurrentUsable(agent, now)) return;
  const provisional = provisionalPair(agent, now);
  if (provisional !== undefined) {
    agent.provisionalUntil ??= after(now, agent.limits.provisionalMs);
    if (agent.current?.pair === provisional) return;
    moveTo(agent, { pair: provisional, provisionalUntil: agent.provisionalUntil, since: now });
    sendUrgentCheck(agent, provisional, now);
    return;
  }
  if (agent.current !== undefined) losePath(agent, lossCause(agent.current));
}

/**
 * The likeliest relayed pair is checked before the paced ones, on both sides: the controlled side's check opens its own NAT
 * for the relay, so that the peer's first data comes through.
 */
export function checkRelayFirst(agent: AgentContext, now: Instant): void {
  const pair = agent.isActive ? likeliestRelayed(agent, () => true) : undefined;
  if (pair !== undefined) sendUrgentCheck(agent, pair, now);
}

export function losePath(agent: AgentContext, cause: PathLossCause): void {
  agent.current = undefined;
  agent.liveness.reset();
  agent.emit({ kind: 'path-lost', cause });
  if (agent.state === 'connected') agent.setState('disconnected', 'path-lost');
}

/** The controlling side chose `pair`, if it is valid here too; the highest number wins, then the highest priority. */
export function nominateByPeer(agent: AgentContext, pair: CandidatePair, value: number, now: Instant): void {
  pair.wasNominated = true;
  if (!pair.isValid(now)) {
    pair.nominationOnSuccess = value;
    return;
  }
  const standing = agent.nominated;
  const isOverruled =
    standing === undefined ||
    !standing.pair.isValid(now) ||
    value > standing.value ||
    (value === standing.value && pair.priority > standing.pair.priority);
  if (isOverruled) agent.nominated = { pair, value };
}

/** Compares the relays of a session that has no direct path; the choice is the controlling side's. */
export function measureRelays(agent: AgentContext, now: Instant): void {
  agent.relayChoice.update(relayOptions(agent, now), now);
  const pair = agent.relayChoice.takeDue(now);
  if (pair?.isValid(now) === true) sendCheck(agent, pair, 'measure', now);
}

/**
 * Kept valid beside the path in use, to fall back on at once. One where that is direct. Where it is relayed, several: a
 * supernode that dies takes every pair with it that has an end there, and nobody knows which ones these are. The nearest first.
 */
export function warmRelays(agent: AgentContext, now: Instant): readonly CandidatePair[] {
  const current = agent.current?.pair;
  const relays = agent.checklist.pairs.filter(
    (pair) => pair !== current && pair.isRelayed && pair.isValid(now),
  );
  if (current?.isRelayed === true) return mostDifferent(current, relays.toSorted(byRoundTrip));
  const { pick } = agent.relayChoice;
  if (pick !== undefined && relays.includes(pick)) return [pick];
  const [first, ...others] = relays;
  if (first === undefined) return [];
  return [others.reduce((best, pair) => (isNearer(pair, best) === true ? pair : best), first)];
}

/** Not while the path is in doubt: what is measured then says little. */
function relayOptions(agent: AgentContext, now: Instant): RelayOptions | undefined {
  const { current, role, isActive, liveness } = agent;
  if (role !== 'controlling' || !isActive || current?.provisionalUntil !== undefined) return undefined;
  if (current?.pair.isRelayed !== true || liveness.isSuspect || !isKept(agent, current, now))
    return undefined;
  return { current: current.pair, alternatives: warmRelays(agent, now) };
}

/** Those that were never measured last, in the order of their priority. */
function byRoundTrip(a: CandidatePair, b: CandidatePair): number {
  return (a.comparableRoundTripMs ?? UNKNOWN_MS) - (b.comparableRoundTripMs ?? UNKNOWN_MS);
}

/** Undefined where the difference may be chance, or is not known. */
function isNearer(pair: CandidatePair, other: CandidatePair): boolean | undefined {
  const [own, others] = [pair.comparableRoundTripMs, other.comparableRoundTripMs];
  if (own === undefined || others === undefined) return undefined;
  if (isClearlyShorter(own, others)) return true;
  return isClearlyShorter(others, own) ? false : undefined;
}

/** First those that have no end in common with `current` nor with each other. */
function mostDifferent(current: CandidatePair, relays: readonly CandidatePair[]): readonly CandidatePair[] {
  const chosen: CandidatePair[] = [];
  const isApart = (pair: CandidatePair): boolean =>
    [current, ...chosen].every(({ base, remote }) => base.id !== pair.base.id && remote !== pair.remote);
  for (const pair of relays) if (isApart(pair)) chosen.push(pair);
  const others = relays.filter((pair) => !chosen.includes(pair));
  return [...chosen, ...others].slice(0, MAX_WARM_RELAYS);
}

/** Another valid path than the one in use. */
export function hasAlternative(agent: AgentContext, now: Instant): boolean {
  return agent.checklist.pairs.some((pair) => pair !== agent.current?.pair && pair.isValid(now));
}

function bestValid(agent: AgentContext, now: Instant): CandidatePair | undefined {
  const own = ownChoice(agent, now);
  const nominated = agent.nominated?.pair;
  if (agent.role === 'controlling' || nominated?.isValid(now) !== true) return own;
  // The controlling side cannot have known yet that this direct pair works: its choice of the relay was not against it.
  return own !== undefined && nominated.isRelayed && !own.isRelayed && !own.wasNominated ? own : nominated;
}

function ownChoice(agent: AgentContext, now: Instant): CandidatePair | undefined {
  let best: CandidatePair | undefined;
  for (const pair of agent.checklist.pairs) {
    if (mayCarry(agent, pair, now) && (best === undefined || isBetter(pair, best))) best = pair;
  }
  const { current } = agent;
  if (best === undefined || current === undefined || current.pair === best || !isKept(agent, current, now))
    return best;
  if (best.isRelayed && current.pair.isRelayed) return relayedChoice(agent, current, now);
  if (!isBetter(best, current.pair)) return current.pair;
  if (best.isRelayed !== current.pair.isRelayed) return best;
  const settledAt = after(current.since, agent.limits.minTenureMs);
  if (settledAt > now) agent.reviewAt = settledAt;
  else if (isProved(agent, best, now)) return best;
  return current.pair;
}

/**
 * What measuring chose. Until it did, a path of higher priority is better where it is not clearly longer: one over UDP than one over
 * a stream.
 */
function relayedChoice(agent: AgentContext, current: CurrentPath, now: Instant): CandidatePair {
  const { pair } = current;
  const { pick } = agent.relayChoice;
  if (pick !== undefined && mayCarry(agent, pick, now) && agent.checklist.has(pick)) return pick;
  const preferred = agent.checklist.pairs.find(
    (other) =>
      other.isRelayed &&
      mayCarry(agent, other, now) &&
      other.priority > pair.priority &&
      isNearer(other, pair) !== false,
  );
  if (preferred === undefined) return pair;
  const settledAt = after(current.since, agent.limits.minTenureMs);
  if (settledAt > now) agent.reviewAt = settledAt;
  else if (isProved(agent, preferred, now)) return preferred;
  return pair;
}

/** Consent lasts for longer than a relay may live: what is left is left for a path that answered just now. Asks where it did not. */
function isProved(agent: AgentContext, pair: CandidatePair, now: Instant): boolean {
  if (pair.answeredAt !== undefined && now < after(pair.answeredAt, PROOF_MS)) return true;
  if (agent.proofAskedAt === undefined || now >= after(agent.proofAskedAt, PROOF_MS)) {
    agent.proofAskedAt = now;
    sendCheck(agent, pair, 'consent', now);
  }
  return false;
}

function mayCarry(agent: AgentContext, pair: CandidatePair, now: Instant): boolean {
  return pair.isValid(now) && !isInDoubt(agent, pair);
}

/** Whether the current pair is a valid one of this generation. */
function isKept(agent: AgentContext, { pair }: CurrentPath, now: Instant): boolean {
  return pair.isValid(now) && agent.checklist.has(pair);
}

/**
 * Direct before relayed; then an address that the peer told us of, for any other may be that of a new relay of the peer's; then a clearly
 * shorter round trip; then RFC 8445's priority.
 */
function isBetter(pair: CandidatePair, other: CandidatePair): boolean {
  if (pair.isRelayed !== other.isRelayed) return other.isRelayed;
  const [isKnown, isOtherKnown] = [pair, other].map(({ remote }) => remote.kind !== 'peerReflexive');
  if (!pair.isRelayed && isKnown !== isOtherKnown) return isKnown === true;
  return isNearer(pair, other) ?? pair.priority > other.priority;
}

function nominate(agent: AgentContext, pair: CandidatePair, now: Instant): void {
  agent.nominationCount += 1;
  agent.nominated = { pair, value: agent.nominationCount };
  sendCheck(agent, pair, 'nomination', now);
}

function moveTo(agent: AgentContext, path: CurrentPath): void {
  const isSamePair = agent.current?.pair === path.pair;
  agent.current = path;
  if (!isSamePair) agent.liveness.reset();
  agent.emit({ kind: 'path', path: reportPath(path) });
}

/** Whether data goes on as before: a provisional path is compared anew, except between a restart and the peer's answer. */
function isCurrentUsable(agent: AgentContext, now: Instant): boolean {
  const { current } = agent;
  if (current === undefined) return false;
  if (current.provisionalUntil === undefined) return current.pair.isValid(now);
  return !agent.isActive && now < current.provisionalUntil;
}

/**
 * The relayed pair that may carry data without a check: on the controlling side because the peer accepted the offer, on the
 * controlled side because the peer proved on that very pair that it holds the credentials of the offer.
 */
function provisionalPair(agent: AgentContext, now: Instant): CandidatePair | undefined {
  if (!agent.isActive || (agent.provisionalUntil !== undefined && now >= agent.provisionalUntil))
    return undefined;
  if (agent.role === 'controlling') return likeliestRelayed(agent, () => true);
  const { current } = agent;
  // A pair that the peer was heard on is as good as the next one.
  const isHeard = current?.provisionalUntil !== undefined && agent.checklist.has(current.pair);
  if (isHeard && current.pair.state !== 'failed') return current.pair;
  return likeliestRelayed(agent, (pair) => pair.isRequestedByPeer);
}

function likeliestRelayed(
  agent: AgentContext,
  isEligible: (pair: CandidatePair) => boolean,
): CandidatePair | undefined {
  let best: CandidatePair | undefined;
  for (const pair of agent.checklist.pairs) {
    if (!pair.isRelayed || pair.state === 'failed' || !isEligible(pair)) continue;
    if (best === undefined || reach(pair) > reach(best)) best = pair;
  }
  return best;
}

function reach(pair: CandidatePair): number {
  if (pair.base.isNative === true) return REACH_THROUGH_NATIVE_RELAY;
  return pair.base.kind === 'socket' ? REACH_PEER_RELAY_DIRECTLY : REACH_THROUGH_RELAY[pair.remote.kind];
}

function lossCause({ pair, provisionalUntil }: CurrentPath): PathLossCause {
  return pair.state === 'failed' && pair.cause !== undefined
    ? pair.cause
    : provisionalUntil === undefined
      ? 'consent-expired'
      : 'provisional-expired';
}
