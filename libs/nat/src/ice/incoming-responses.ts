/** Answers to our checks (RFC 8445 section 7.2.5): matched, authenticated, symmetric, then believed. */
import { sameTransportAddress, type TransportAddress } from '../net/transport-address.ts';
import { XorMappedAddress } from '../stun/attributes/address.ts';
import { ErrorCode } from '../stun/attributes/error.ts';
import { shortTermKey } from '../stun/credentials.ts';
import { StunErrorCode } from '../stun/error-code.ts';
import { verifyFingerprint } from '../stun/fingerprint.ts';
import { verifyMessageIntegrity } from '../stun/integrity.ts';
import { transactionIdKey } from '../stun/transaction-id.ts';
import { after, type Instant } from '../time/instant.ts';
import { newTiebreaker, type AgentContext } from './agent-context.ts';
import type { LocalCandidate } from './candidate.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { peerReflexivePriority } from './candidate-priority.ts';
import type { CheckTransaction } from './check-transactions.ts';
import type { SentProbe } from './hard-nat/probing-state.ts';
import { pairOf, switchRole, type ReceivedMessage } from './incoming-requests.ts';
import { hastenChecks, sendCheck, triggerCheck } from './outgoing-checks.ts';
import { failPair } from './pairing.ts';
import { nominateByPeer } from './path-choice.ts';

export function handleResponse(agent: AgentContext, received: ReceivedMessage, now: Instant): void {
  const { base, from, message } = received;
  const transaction = agent.transactions.find(message.transactionId);
  const remote = agent.remoteCredentials;
  const probe = agent.probing.sent.get(transactionIdKey(message.transactionId));
  if ((transaction === undefined && probe === undefined) || remote === undefined) {
    agent.drop('unknown-transaction');
    return;
  }
  if (!verifyMessageIntegrity(message, agent.crypto, shortTermKey(remote.pwd))) {
    agent.drop('bad-integrity');
    return;
  }
  if (!verifyFingerprint(message, agent.crypto)) {
    agent.drop('bad-fingerprint');
    return;
  }
  if (transaction === undefined) {
    if (probe !== undefined) handleProbeAnswer(agent, probe, received, now);
    return;
  }
  const { pair } = transaction;
  agent.transactions.remove(transaction);
  if (base.id !== pair.base.id || !sameTransportAddress(from, pair.remote.address)) {
    agent.drop('asymmetric-response');
    if (pair.state === 'in-progress' && !transaction.isCancelled)
      failPair(agent, pair, 'asymmetric-response');
    return;
  }
  if (message.messageClass === 'error') {
    handleError(agent, transaction, message.get(ErrorCode)?.code);
    return;
  }
  const mapped = message.get(XorMappedAddress);
  if (mapped === undefined) {
    agent.drop('malformed');
    return;
  }
  if (pair.state === 'failed') {
    agent.drop('late-answer');
    return;
  }
  agent.counters.checksAnswered += 1;
  measure(agent, transaction, now);
  pair.answeredAt = now;
  pair.consentUntil = after(now, agent.limits.consentExpiryMs);
  if (agent.current?.pair === pair) agent.liveness.reset();
  // Also later on: we may have moved to another network with the same socket.
  pair.mappedLocal = mappedCandidate(agent, pair, mapped);
  if (pair.state !== 'succeeded') succeed(agent, pair, now);
}

/** Which of several requests was answered is unknown (Karn): only a single one measures. */
function measure(
  agent: AgentContext,
  { pair, purpose, requests, sentAt }: CheckTransaction,
  now: Instant,
): void {
  if (requests === 1) pair.measure(now - sentAt);
  if (purpose === 'measure') agent.relayChoice.answered(pair, now - sentAt);
}

/** A port that nobody told us is the peer's: what a check of the peer from there would tell, too. */
function handleProbeAnswer(
  agent: AgentContext,
  probe: SentProbe,
  { base, from, message }: ReceivedMessage,
  now: Instant,
): void {
  if (base.id !== probe.base.id || !sameTransportAddress(from, probe.to)) {
    agent.drop('asymmetric-response');
    return;
  }
  agent.probing.sent.delete(transactionIdKey(message.transactionId));
  if (message.messageClass !== 'success') return;
  // What the peer's own check would say is unknown yet; both sides' sockets are alike.
  const priority = peerReflexivePriority(agent.probing.attempt?.local.priority ?? 1);
  const pair = pairOf(agent, base, from, priority);
  if (pair !== undefined) triggerCheck(agent, pair, now);
}

function succeed(agent: AgentContext, pair: CandidatePair, now: Instant): void {
  agent.triggered.remove(pair);
  agent.transactions.cancel(pair, now, agent.limits.finalWaitMs);
  pair.transition('succeeded', 'answered');
  agent.checklist.unfreezeFoundation(pair.foundation);
  // A second sample, so that paths can be compared; and what is on its way elsewhere need not wait longer than here.
  sendCheck(agent, pair, 'consent', now);
  if (pair.roundTripMs !== undefined) hastenChecks(agent, pair.roundTripMs, now);
  const nomination = pair.nominationOnSuccess;
  pair.nominationOnSuccess = undefined;
  if (nomination !== undefined && agent.role === 'controlled') nominateByPeer(agent, pair, nomination, now);
}

/** RFC 8445 section 7.2.5.3.1: an address of ours that we did not know is a peer-reflexive candidate; it is never signalled. */
function mappedCandidate(agent: AgentContext, pair: CandidatePair, mapped: TransportAddress): LocalCandidate {
  const known = agent.local.find(pair.base, mapped);
  if (known !== undefined) return known;
  const candidate: LocalCandidate = {
    kind: 'peerReflexive',
    address: mapped,
    priority: peerReflexivePriority(pair.local.priority),
    foundation: `own${agent.local.all.length}`,
    base: pair.base,
  };
  // An extra socket has this one pair: it is no base for others.
  if (agent.probing.extraSockets.has(pair.base.id)) return candidate;
  if (agent.local.isFull) agent.drop('local-candidate-limit');
  else agent.local.add(candidate);
  return candidate;
}

function handleError(agent: AgentContext, transaction: CheckTransaction, code: number | undefined): void {
  const { pair, purpose } = transaction;
  if (code === StunErrorCode.ROLE_CONFLICT) {
    // RFC 8445 section 7.2.5.1: only where the role is still the one that the request claimed.
    if (transaction.role === agent.role) {
      switchRole(agent);
      agent.tiebreaker = newTiebreaker(agent.crypto);
    }
    if (pair.state === 'in-progress') pair.transition('waiting', 'role-conflict');
    if (pair.state === 'waiting') agent.triggered.add(pair);
    return;
  }
  if (purpose === 'check' && (transaction.isCancelled || pair.state !== 'in-progress')) return;
  if (pair.state !== 'failed') failPair(agent, pair, 'error-response');
}
