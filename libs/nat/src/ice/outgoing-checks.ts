/** Sending: pacing, triggered and ordinary checks, retransmission (RFC 8445 sections 6.1.4 and 14). */
import { newTransactionId } from '../stun/transaction-id.ts';
import { after, type Instant } from '../time/instant.ts';
import type { AgentContext } from './agent-context.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { peerReflexivePriority } from './candidate-priority.ts';
import type { CheckPurpose, CheckTransaction } from './check-transactions.ts';
import { encodeCheck } from './connectivity-check.ts';
import { failPair } from './pairing.ts';

/** With a measured round trip, twice that; else this at least. */
const MIN_MEASURED_RTO_MS = 50;

export function sendCheck(
  agent: AgentContext,
  pair: CandidatePair,
  purpose: CheckPurpose,
  now: Instant,
): void {
  const remote = agent.remoteCredentials;
  if (remote === undefined) return;
  const transactionId = newTransactionId(agent.crypto);
  const nomination =
    agent.role === 'controlling' && agent.nominated?.pair === pair ? agent.nominated.value : undefined;
  const bytes = encodeCheck(
    {
      transactionId,
      local: agent.localCredentials,
      remote,
      claim: agent.claim,
      priority: peerReflexivePriority(pair.local.priority),
      nomination,
    },
    agent.crypto,
  );
  if (purpose === 'check') pair.transition('in-progress', 'check-sent');
  const isSingle = purpose === 'consent' || purpose === 'measure';
  const rtoMs = isSingle ? agent.liveness.patienceMs(pair.shortestRoundTripMs) : firstRtoMs(agent, pair);
  const transaction: CheckTransaction = {
    transactionId,
    pair,
    purpose,
    bytes,
    role: agent.role,
    sentAt: now,
    requests: 1,
    rtoMs,
    dueAt: after(now, rtoMs),
    isCancelled: false,
  };
  if (!agent.transactions.add(transaction)) agent.drop('transaction-limit');
  transmit(agent, transaction);
}

/** A check that does not wait for its turn: what carries data first is checked first. */
export function sendUrgentCheck(agent: AgentContext, pair: CandidatePair, now: Instant): void {
  if (pair.state === 'frozen') pair.transition('waiting', 'triggered');
  if (pair.state !== 'waiting') return;
  agent.triggered.remove(pair);
  sendCheck(agent, pair, 'check', now);
}

/** RFC 8445 section 7.3.1.4: the peer reached us here, so our check has a good chance now. */
export function triggerCheck(agent: AgentContext, pair: CandidatePair, now: Instant): void {
  switch (pair.state) {
    case 'succeeded':
      return;
    case 'in-progress':
      agent.transactions.cancel(pair, now, agent.limits.finalWaitMs);
      pair.transition('waiting', 'triggered');
      break;
    case 'failed':
      if (pair.cause === 'relay-refused') return;
      pair.transition('waiting', 'triggered');
      break;
    case 'frozen':
      pair.transition('waiting', 'triggered');
      break;
    case 'waiting':
      break;
  }
  agent.triggered.add(pair);
}

/** At most one new check per Ta; triggered ones first. */
export function sendPacedChecks(agent: AgentContext, now: Instant): void {
  if (!agent.isActive || (agent.nextCheckAt !== undefined && now < agent.nextCheckAt)) return;
  const pair = takeTriggered(agent) ?? agent.checklist.nextOrdinary();
  if (pair === undefined) return;
  sendCheck(agent, pair, 'check', now);
  agent.nextCheckAt = after(now, agent.limits.timerTaMs);
}

/**
 * Checks that were sent once, before any round trip was known, are repeated after twice the one that is known now (usually
 * that of the relay, so the longest): in a hole punch the first check of one side is lost. Paced as new checks are.
 */
export function hastenChecks(agent: AgentContext, roundTripMs: number, now: Instant): void {
  const rtoMs = Math.max(MIN_MEASURED_RTO_MS, 2 * roundTripMs);
  let earliestAt = now;
  for (const transaction of agent.transactions.sentOnce()) {
    const dueAt = after(transaction.sentAt, rtoMs);
    if (transaction.rtoMs <= rtoMs || dueAt >= transaction.dueAt) continue;
    earliestAt = after(earliestAt, agent.limits.timerTaMs);
    transaction.rtoMs = rtoMs;
    transaction.dueAt = dueAt < earliestAt ? earliestAt : dueAt;
  }
}

/** When the next new check may leave, if one waits; in the past means at once. */
export function nextPacedCheckAt(agent: AgentContext): Instant | undefined {
  if (!agent.isActive || (agent.triggered.isEmpty && !agent.checklist.hasOrdinary())) return undefined;
  return agent.nextCheckAt;
}

/** Retransmits, gives up, or notes that a consent check was missed. */
export function handleDueTransaction(agent: AgentContext, transaction: CheckTransaction, now: Instant): void {
  const { pair, purpose } = transaction;
  if (transaction.isCancelled) {
    agent.transactions.remove(transaction);
    return;
  }
  if (purpose === 'consent' || purpose === 'measure') {
    // RFC 7675 section 5.1: not retransmitted. A late answer still renews consent.
    transaction.isCancelled = true;
    transaction.dueAt = after(now, agent.limits.finalWaitMs);
    if (purpose === 'measure') return;
    agent.emit({ kind: 'suspect', base: pair.base });
    if (agent.current?.pair === pair) agent.liveness.suspect(now);
    return;
  }
  if (transaction.requests >= agent.limits.maxCheckRequests) {
    agent.transactions.remove(transaction);
    if (purpose === 'check' && pair.state === 'in-progress') failPair(agent, pair, 'timed-out');
    return;
  }
  transaction.requests += 1;
  // The interval doubles from the third request on: the first ones of a hole punch are expected to get lost. Where the round
  // trip is that of another pair, only the first repetition trusts it.
  if (transaction.requests > 2) transaction.rtoMs *= 2;
  else if (pair.roundTripMs === undefined)
    transaction.rtoMs = Math.max(transaction.rtoMs, agent.limits.minRtoMs);
  const isLast = transaction.requests === agent.limits.maxCheckRequests;
  transaction.dueAt = after(now, isLast ? agent.limits.finalWaitMs : transaction.rtoMs);
  transmit(agent, transaction);
}

function transmit(agent: AgentContext, { pair, bytes }: CheckTransaction): void {
  agent.counters.checksSent += 1;
  agent.emit({ kind: 'send', base: pair.base, to: pair.remote.address, bytes });
}

/** Usually that of the relay, and no direct path takes longer than it. */
function longestRoundTripMs(agent: AgentContext): number | undefined {
  const samples = agent.checklist.pairs.flatMap(({ roundTripMs }) => roundTripMs ?? []);
  return samples.length === 0 ? undefined : Math.max(...samples);
}

/** RFC 8445 section 14.3, with the configured minimum; a known round trip is better than the formula. */
function firstRtoMs(agent: AgentContext, pair: CandidatePair): number {
  const known = pair.roundTripMs ?? longestRoundTripMs(agent);
  if (known !== undefined) return Math.max(MIN_MEASURED_RTO_MS, 2 * known);
  return Math.max(agent.limits.minRtoMs, agent.limits.timerTaMs * agent.checklist.countPending());
}

function takeTriggered(agent: AgentContext): CandidatePair | undefined {
  for (let pair = agent.triggered.take(); pair !== undefined; pair = agent.triggered.take()) {
    if (pair.state === 'waiting') return pair;
  }
  return undefined;
}
