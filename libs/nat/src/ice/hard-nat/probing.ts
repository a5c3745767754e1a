/**
 * Attempts at paths that simple simultaneous opening does not reach (DESIGN 6.7). Everything here is bounded by the
 * {@link ProbeBudget}, and probes go only to an address that the peer signed as its reflexive one *and* at which a supernode
 * observed the authenticated peer: nobody can aim them at somebody else.
 */
import { canonicalIpAddress } from '../../net/ip-address.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { newTransactionId, transactionIdKey } from '../../stun/transaction-id.ts';
import { after, earliest, type Instant } from '../../time/instant.ts';
import type { AgentContext } from '../agent-context.ts';
import type { CandidateBase, LocalCandidate } from '../candidate.ts';
import { isMappedPriority } from '../candidate-priority.ts';
import { peerReflexivePriority } from '../candidate-priority.ts';
import { encodeCheck } from '../connectivity-check.ts';
import { sendUrgentCheck } from '../outgoing-checks.ts';
import { failPair } from '../pairing.ts';
import { considerBlockedPeer } from './blocked-peer.ts';
import {
  closeAllExtraSockets,
  closeUnmetSockets,
  openExtraSockets,
  releaseAdoptedSockets,
} from './extra-sockets.ts';
import { portAhead, RandomPorts, sprayOffset } from './port-sequences.ts';
import { sandwich } from './port-sampling.ts';
import type { ProbeAttempt } from './probing-state.ts';
import { planTraversal } from './traversal-plan.ts';

/** Ports ahead of the latest one that a fresh report is worth. */
const MIN_WINDOW = 64;
const MAX_WINDOW = 256;
/** New mappings per second that other hosts behind a NAT may make: twice what a busy household does. */
const NOISE_PER_SECOND = 100;
const SPRAY_CHECKS = 512;
/** One port in so many is skipped: 250 per second at 1,000 checks per second, more than the noise on both sides. */
const SPRAY_SKIP_EVERY = 4;
/** A second pass makes no new mappings; it is for what was lost. */
const SPRAY_PASSES = 2;
const SPRAY_PASS_GAP_MS = 300;
/** Ports of an older report were given away since; a side whose own report is older tells of it anew. */
export const FRESH_PORTS_MS = 1500;
const EXTRA_SOCKETS = 256;
/** 256 sockets in 70 ms, without holding up the loop. */
const SOCKETS_PER_BURST = 32;
const BURST_GAP_MS = 10;
/** A socket is bound by then, so that its check leaves between two samples. */
const SOCKET_OPENS_MS = 50;
/** Guesses wait until the peer was heard (over the relay): before it has opened its sockets they are wasted. */
const UNHEARD_PATIENCE_MS = 500;
/** How long the random side keeps its sockets: the other one's wait, its guesses, and a slow answer. */
const EXTRA_SOCKETS_MS = 5000;
/** Answers to the last checks may still be on their way. */
const LAST_ANSWERS_MS = 1000;
/** Milliseconds that a probe takes on a busy machine, at 1,000 per second. */
const PROBE_MS = 1.3;
const MAX_ATTEMPTS = 3;

/** Brings the attempt up to date; runs after every input, before ordinary checks are sent. */
export function probe(agent: AgentContext, now: Instant): void {
  const { probing } = agent;
  if (!agent.isActive || hasDirectPath(agent, now)) {
    endAttempt(agent);
  } else {
    considerBlockedPeer(agent);
    if (probing.attempt !== undefined && probing.attempt.endsAt <= now) giveUp(agent, probing.attempt);
    probing.attempt ??= startAttempt(agent, now);
    if (probing.attempt !== undefined) proceed(agent, probing.attempt, now);
  }
  releaseAdoptedSockets(agent);
}

export function nextProbeAt(agent: AgentContext, now: Instant): Instant | undefined {
  const { attempt, nextAttemptAt } = agent.probing;
  if (!agent.isActive) return undefined;
  // What is due already waits for something else: a candidate, a report, the hold's end.
  if (attempt === undefined)
    return nextAttemptAt !== undefined && nextAttemptAt > now ? nextAttemptAt : undefined;
  return earliest(attempt.endsAt, nextStepAt(agent, attempt, now));
}

/** The peer's ports, or ours, are known anew: an attempt with the old ones is over. */
export function beginAgain(agent: AgentContext): void {
  const { attempt } = agent.probing;
  const isGuess = attempt?.plan === 'guess' || attempt?.plan === 'be-guessed';
  if (isGuess) return;
  endAttempt(agent);
  agent.probing.isReportUsed = false;
}

/** A new generation, with a budget of attempts of its own. */
export function forgetAttempts(agent: AgentContext): void {
  endAttempt(agent);
  agent.probing.attempts = 0;
  agent.probing.isReportUsed = false;
  agent.probing.nextAttemptAt = undefined;
  agent.probing.isPeerHeard = false;
}

export function closeProbing(agent: AgentContext): void {
  endAttempt(agent);
  closeAllExtraSockets(agent);
}

function hasDirectPath(agent: AgentContext, now: Instant): boolean {
  return agent.checklist.pairs.some((pair) => !pair.isRelayed && pair.isValid(now));
}

function startAttempt(agent: AgentContext, now: Instant): ProbeAttempt | undefined {
  const { probing, localNat, remoteNetwork } = agent;
  const plan = planTraversal(localNat, remoteNetwork.nat);
  if (plan === 'ordinary') return undefined;
  if (plan === 'hopeless') {
    giveUpReflexivePairs(agent);
    return undefined;
  }
  if (probing.attempts >= MAX_ATTEMPTS || probing.isReportUsed) return undefined;
  if (probing.nextAttemptAt !== undefined && now < probing.nextAttemptAt) return undefined;
  const local = reflexiveSocket(agent);
  // Of its own check every side decides as always; only probes, and checks of other sockets, need a supernode's word.
  const isOwnCheck = plan === 'be-predicted' && probing.attempts === 0;
  const target = reflexiveTarget(agent, !isOwnCheck);
  if (local === undefined || target?.family !== local.base.family) return undefined;
  if (plan === 'spray' && (remoteNetwork.ageMs ?? 0) > FRESH_PORTS_MS) return undefined;
  if (plan === 'guess' || plan === 'be-guessed') {
    if (!agent.probeBudget.startAttempt(target.address, now)) {
      probing.nextAttemptAt = agent.probeBudget.nextAttemptAt(target.address);
      return undefined;
    }
    probing.nextAttemptAt = agent.probeBudget.nextAttemptAt(target.address);
  } else {
    if (plan !== 'be-predicted' && !agent.probeBudget.startPrediction(target.address, now)) {
      probing.nextAttemptAt = agent.probeBudget.nextPredictionAt(target.address);
      return undefined;
    }
    // Again only when somebody sampled anew: the ports of this report are used up.
    probing.isReportUsed = true;
  }
  probing.attempts += 1;
  if (probing.attempts >= MAX_ATTEMPTS) probing.nextAttemptAt = undefined;
  return newAttempt(agent, plan, local, target, now);
}

function newAttempt(
  agent: AgentContext,
  plan: ProbeAttempt['plan'],
  local: LocalCandidate,
  target: TransportAddress,
  now: Instant,
): ProbeAttempt {
  const limit = Math.min(agent.probeBudget.perAttempt, limitOf(agent, plan));
  const probingMs = (plan === 'guess' ? UNHEARD_PATIENCE_MS : 0) + SPRAY_PASS_GAP_MS + PROBE_MS * limit;
  const durationMs = plan === 'be-guessed' ? EXTRA_SOCKETS_MS : probingMs + LAST_ANSWERS_MS;
  return {
    plan,
    local,
    target,
    startedAt: now,
    endsAt: after(now, durationMs),
    limit,
    ports: plan === 'guess' ? new RandomPorts(agent.crypto) : undefined,
    count: 0,
    notBefore: now,
    extra: undefined,
  };
}

function limitOf(agent: AgentContext, plan: ProbeAttempt['plan']): number {
  switch (plan) {
    case 'predict': {
      const noise = ((agent.remoteNetwork.ageMs ?? 0) / 1000) * NOISE_PER_SECOND;
      return Math.min(MAX_WINDOW, MIN_WINDOW + Math.ceil(noise));
    }
    case 'spray':
      return SPRAY_CHECKS * SPRAY_PASSES;
    case 'guess':
      return agent.probeBudget.perAttempt;
    case 'be-guessed':
      return EXTRA_SOCKETS;
    case 'be-predicted':
      return 1;
  }
}

function proceed(agent: AgentContext, attempt: ProbeAttempt, now: Instant): void {
  if (attempt.plan === 'be-predicted') openPredicted(agent, attempt, now);
  else if (attempt.plan === 'be-guessed') openForGuesses(agent, attempt, now);
  else sendDueProbes(agent, attempt, now);
}

function nextStepAt(agent: AgentContext, attempt: ProbeAttempt, now: Instant): Instant | undefined {
  if (attempt.count >= attempt.limit) return undefined;
  if (isAwaitingPeer(agent, attempt, now)) return after(attempt.startedAt, UNHEARD_PATIENCE_MS);
  if (attempt.notBefore > now) return attempt.notBefore;
  return attempt.plan === 'be-guessed' ? attempt.notBefore : agent.probeBudget.nextAt(now);
}

/**
 * Sequential side: one check to where the peer said it is, and what port it leaves from. The main socket has a mapping towards the
 * peer from then on, and keeps it: where its port was not found out, another socket makes a new one.
 */
function openPredicted(agent: AgentContext, attempt: ProbeAttempt, now: Instant): void {
  if (attempt.count >= attempt.limit || now < attempt.notBefore) return;
  if (agent.probing.attempts > 1) {
    openPredictedAnew(agent, attempt, now);
    return;
  }
  attempt.count = attempt.limit;
  const pair = agent.checklist.find(attempt.local.base, attempt.target);
  if (pair === undefined) return;
  sandwich(agent, () => {
    if (pair.state === 'failed') pair.transition('waiting', 'sought-again');
    sendUrgentCheck(agent, pair, now);
  });
}

function openPredictedAnew(agent: AgentContext, attempt: ProbeAttempt, now: Instant): void {
  if (attempt.extra === undefined) {
    [attempt.extra] = openExtraSockets(agent, attempt.local.base, 1);
    attempt.notBefore = after(now, SOCKET_OPENS_MS);
    return;
  }
  attempt.count = attempt.limit;
  const { extra, local, target } = attempt;
  sandwich(agent, () => sendProbe(agent, extra, local, target));
}

/** Random side: sockets in bursts, each with a check that makes a mapping and opens its filter. */
function openForGuesses(agent: AgentContext, attempt: ProbeAttempt, now: Instant): void {
  if (attempt.count >= attempt.limit || now < attempt.notBefore) return;
  const bases = openExtraSockets(
    agent,
    attempt.local.base,
    Math.min(SOCKETS_PER_BURST, attempt.limit - attempt.count),
  );
  attempt.count += bases.length;
  attempt.notBefore = after(now, BURST_GAP_MS);
  for (const base of bases) sendProbe(agent, base, attempt.local, attempt.target);
}

function sendDueProbes(agent: AgentContext, attempt: ProbeAttempt, now: Instant): void {
  while (
    attempt.count < attempt.limit &&
    attempt.notBefore <= now &&
    !isAwaitingPeer(agent, attempt, now) &&
    agent.probeBudget.take(now)
  ) {
    const port = portOf(agent, attempt);
    attempt.count += 1;
    if (port === undefined) attempt.count = attempt.limit;
    else sendProbe(agent, attempt.local.base, attempt.local, { ...attempt.target, port });
    if (attempt.plan === 'guess') agent.counters.guessesSent += 1;
    else agent.counters.predictedChecksSent += 1;
    if (attempt.plan === 'spray' && attempt.count === SPRAY_CHECKS)
      attempt.notBefore = after(now, SPRAY_PASS_GAP_MS);
  }
}

function portOf(agent: AgentContext, attempt: ProbeAttempt): number | undefined {
  if (attempt.plan === 'guess') return attempt.ports?.next();
  const { latestPort, portStep } = agent.remoteNetwork.nat ?? {};
  if (latestPort === undefined || portStep === undefined) return undefined;
  if (attempt.plan === 'predict') return portAhead(latestPort, portStep, 1 + attempt.count);
  const skipEvery = agent.role === 'controlled' ? SPRAY_SKIP_EVERY : undefined;
  return portAhead(latestPort, portStep, sprayOffset(attempt.count % SPRAY_CHECKS, skipEvery));
}

function isAwaitingPeer(agent: AgentContext, { plan, startedAt }: ProbeAttempt, now: Instant): boolean {
  return plan === 'guess' && !agent.probing.isPeerHeard && now < after(startedAt, UNHEARD_PATIENCE_MS);
}

/** A check like any other, but for a port that may belong to nobody: it is neither repeated nor awaited. */
function sendProbe(
  agent: AgentContext,
  base: CandidateBase,
  local: LocalCandidate,
  to: TransportAddress,
): void {
  const remote = agent.remoteCredentials;
  if (remote === undefined) return;
  const transactionId = newTransactionId(agent.crypto);
  const fields = {
    transactionId,
    local: agent.localCredentials,
    remote,
    claim: agent.claim,
    priority: peerReflexivePriority(local.priority),
    nomination: undefined,
  };
  agent.probing.sent.set(transactionIdKey(transactionId), { base, to });
  agent.emit({ kind: 'send', base, to, bytes: encodeCheck(fields, agent.crypto) });
}

/** Ports that were predicted wrongly are sampled anew by both sides, when the controlling one says so. */
function giveUp(agent: AgentContext, { plan }: ProbeAttempt): void {
  endAttempt(agent);
  const isPrediction = plan === 'predict' || plan === 'be-predicted' || plan === 'spray';
  if (isPrediction && agent.role === 'controlling' && agent.probing.attempts < MAX_ATTEMPTS)
    agent.emit({ kind: 'ports-used-up' });
}

function endAttempt(agent: AgentContext): void {
  const { probing } = agent;
  if (probing.attempt === undefined) return;
  probing.attempt = undefined;
  probing.sandwich = undefined;
  probing.sent.clear();
  closeUnmetSockets(agent);
}

/** Checks from socket to reflexive address would meet a closed filter at a mapping that is not meant for us. */
function giveUpReflexivePairs(agent: AgentContext): void {
  for (const pair of agent.checklist.pairs) {
    const isBetweenNats = pair.base.kind === 'socket' && pair.remote.kind === 'serverReflexive';
    if (
      isBetweenNats &&
      pair.remote.address.family === 'ipv4' &&
      !isMappedPriority(pair.remote.priority) &&
      !pair.isRequestedByPeer &&
      isOpen(pair.state)
    )
      failPair(agent, pair, 'hopeless');
  }
}

function isOpen(state: string): boolean {
  return state === 'frozen' || state === 'waiting' || state === 'in-progress';
}

/** The socket whose mapping the peer was told. */
function reflexiveSocket(agent: AgentContext): LocalCandidate | undefined {
  const sockets = agent.local
    .representatives()
    .filter(({ base }) => base.kind === 'socket' && base.family === 'ipv4' && agent.mayUse(base));
  const reflexive = agent.local.all.find(
    ({ kind, base }) => kind === 'serverReflexive' && sockets.some((socket) => socket.base.id === base.id),
  );
  return sockets.find(({ base }) => base.id === reflexive?.base.id) ?? sockets[0];
}

function reflexiveTarget(agent: AgentContext, isObservedOnly: boolean): TransportAddress | undefined {
  const observed = new Set(
    (agent.remoteNetwork.observedAddresses ?? []).map((address) => canonicalIpAddress(address)),
  );
  for (const { kind, address } of agent.remote.values()) {
    if (kind !== 'serverReflexive' || address.family !== 'ipv4') continue;
    if (!isObservedOnly || observed.has(address.address)) return address;
  }
  return undefined;
}
