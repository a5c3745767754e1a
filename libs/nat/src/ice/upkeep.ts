/** What time alone brings: retransmission, consent (RFC 7675), suspicion, the search for better paths, giving up. */
import { after, earliest, type Instant } from '../time/instant.ts';
import type { AgentContext } from './agent-context.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { nextProbeAt } from './hard-nat/probing.ts';
import type { IceFailureCause } from './ice-io.ts';
import { handleDueTransaction, nextPacedCheckAt, sendCheck } from './outgoing-checks.ts';
import { failPair } from './pairing.ts';
import { hasAlternative, losePath, warmRelays } from './path-choice.ts';
import { askOtherRelays, decideDoubt, doubtOtherRelays, hasLivingRelay } from './relay-doubt.ts';

/** A path that just died is tried again soon. */
const SEEK_AFTER_DEATH_MS = 1000;

export function keepUp(agent: AgentContext, now: Instant): void {
  for (const transaction of agent.transactions.due(now)) handleDueTransaction(agent, transaction, now);
  expireConsent(agent, now);
  probeSuspect(agent, now);
  decideDoubt(agent, now);
  askConsent(agent, now);
  if (agent.reviewAt !== undefined && agent.reviewAt <= now) agent.reviewAt = undefined;
  if (agent.seekAt !== undefined && agent.seekAt <= now) seek(agent, now);
}

/** Tries again what failed and would be better than what carries data now, or is missing beside it as a warm relay. */
export function seek(agent: AgentContext, now: Instant): void {
  if (!agent.isActive) {
    agent.seekAt = undefined;
    return;
  }
  const needsRelay = agent.current?.pair.isRelayed === true || warmRelays(agent, now).length === 0;
  const candidates = agent.checklist.pairs.filter(
    (pair) =>
      pair.state === 'failed' &&
      pair.cause !== 'relay-refused' &&
      pair.cause !== 'hopeless' &&
      (isWanted(agent, pair) || (needsRelay && pair.isRelayed)),
  );
  for (const pair of candidates.slice(0, agent.limits.seekPairs)) {
    pair.transition('waiting', 'sought-again');
    agent.triggered.add(pair);
  }
  agent.seekAt = after(now, agent.seekWaitMs);
  agent.seekWaitMs = Math.min(agent.seekWaitMs * 2, agent.limits.seekMaxMs);
}

/** The next search comes early; later ones are spaced from the shortest wait again. */
export function seekSoon(agent: AgentContext, now: Instant): void {
  agent.seekWaitMs = agent.limits.seekMinMs;
  agent.seekAt = after(now, SEEK_AFTER_DEATH_MS);
}

/** Starts and ends the clocks that bound a time without a path. */
export function watchForFailure(agent: AgentContext, now: Instant): void {
  if (agent.state !== 'checking' && agent.state !== 'disconnected') {
    agent.giveUpAt = undefined;
    agent.patienceAt = undefined;
    return;
  }
  if (!agent.isActive) return;
  agent.giveUpAt ??= after(now, agent.limits.giveUpMs);
  if (agent.state === 'disconnected') {
    if (agent.giveUpAt <= now) fail(agent, 'consent-expired');
    return;
  }
  agent.patienceAt ??= after(now, agent.limits.patienceMs);
  const isHopeless =
    agent.isLocalComplete &&
    agent.isRemoteComplete &&
    agent.checklist.isExhausted() &&
    agent.patienceAt <= now;
  if (isHopeless || agent.giveUpAt <= now)
    fail(agent, agent.checklist.size === 0 ? 'no-candidate-pairs' : 'checks-exhausted');
}

export function nextUpkeepAt(agent: AgentContext, now: Instant): Instant | undefined {
  const instants: (Instant | undefined)[] = [
    agent.transactions.nextAt(),
    nextPacedCheckAt(agent),
    nextProbeAt(agent, now),
    agent.reviewAt,
    agent.relayDoubt?.until,
    agent.relayChoice.nextAt(),
    agent.giveUpAt,
  ];
  const { current, patienceAt } = agent;
  if (patienceAt !== undefined && patienceAt > now) instants.push(patienceAt);
  if (agent.isActive) instants.push(agent.seekAt);
  if (current?.provisionalUntil !== undefined) instants.push(current.provisionalUntil);
  else if (current !== undefined) instants.push(agent.liveness.nextAt(current.pair.shortestRoundTripMs));
  for (const pair of keptPairs(agent, now)) instants.push(pair.nextConsentAt);
  for (const pair of agent.checklist.pairs) if (pair.state === 'succeeded') instants.push(pair.consentUntil);
  if (current?.provisionalUntil === undefined) instants.push(current?.pair.consentUntil);
  return earliest(...instants);
}

function expireConsent(agent: AgentContext, now: Instant): void {
  for (const pair of agent.checklist.pairs) {
    if (pair.state === 'succeeded' && !pair.isValid(now)) failPair(agent, pair, 'consent-expired');
  }
}

function probeSuspect(agent: AgentContext, now: Instant): void {
  const { current, liveness } = agent;
  if (current === undefined || current.provisionalUntil !== undefined) return;
  const { pair } = current;
  const dueAt = liveness.nextAt(pair.shortestRoundTripMs);
  if (dueAt === undefined || dueAt > now) return;
  if (liveness.isSuspect && liveness.hasSpentProbes && hasAlternative(agent, now)) {
    leave(agent, pair, now);
    return;
  }
  // A relayed path whose first probe got no answer, while another relay answered: its supernode is gone.
  if (liveness.isSuspect && pair.isRelayed && hasLivingRelay(agent, now)) {
    doubtOtherRelays(agent, now);
    leave(agent, pair, now);
    return;
  }
  if (!liveness.isSuspect) {
    agent.emit({ kind: 'suspect', base: pair.base });
    if (pair.isRelayed) askOtherRelays(agent, now);
  }
  liveness.suspect(now);
  liveness.probeSent(now, pair.shortestRoundTripMs);
  if (agent.checklist.has(pair)) sendCheck(agent, pair, 'consent', now);
}

/** A suspect path that another direct one outlived (the peer moved to another network) is not waited for. */
export function leaveOutlived(agent: AgentContext, now: Instant): void {
  const suspect = agent.current?.pair;
  const since = agent.liveness.suspectSince;
  if (suspect === undefined || since === undefined) return;
  const outlived = agent.checklist.pairs.some(
    (pair) => pair !== suspect && !pair.isRelayed && pair.isValid(now) && (pair.answeredAt ?? since) > since,
  );
  if (outlived) leave(agent, suspect, now);
}

function leave(agent: AgentContext, pair: CandidatePair, now: Instant): void {
  failPair(agent, pair, 'path-dead');
  agent.liveness.reset();
  seekSoon(agent, now);
}

/** RFC 7675 section 5.1: at random times, on the path in use and on the relay that stands by. */
function askConsent(agent: AgentContext, now: Instant): void {
  const { consentMinMs, consentMaxMs } = agent.limits;
  for (const pair of keptPairs(agent, now)) {
    if (pair.nextConsentAt === undefined || pair.nextConsentAt > now) continue;
    pair.nextConsentAt = agent.randomInstant(now, consentMinMs, consentMaxMs);
    sendCheck(agent, pair, 'consent', now);
  }
}

/** A pair that is kept from now on is asked for the first time after the usual wait: it was answered just now. */
export function scheduleConsent(agent: AgentContext, now: Instant): void {
  for (const pair of keptPairs(agent, now)) {
    pair.nextConsentAt ??= agent.randomInstant(now, agent.limits.consentMinMs, agent.limits.consentMaxMs);
  }
}

function keptPairs(agent: AgentContext, now: Instant): readonly CandidatePair[] {
  const current = agent.current?.pair;
  const isCurrentKept = current?.isValid(now) === true && agent.checklist.has(current);
  return [...(isCurrentKept ? [current] : []), ...warmRelays(agent, now)];
}

function isWanted(agent: AgentContext, pair: CandidatePair): boolean {
  const current = agent.current?.pair;
  if (current === undefined || (current.isRelayed && !pair.isRelayed)) return true;
  return current.isRelayed === pair.isRelayed && pair.priority > current.priority;
}

function fail(agent: AgentContext, cause: IceFailureCause): void {
  if (agent.current !== undefined) losePath(agent, 'provisional-expired');
  agent.triggered.clear();
  agent.transactions.clear();
  agent.setState('failed', cause);
  agent.emit({ kind: 'failed', cause });
  agent.seekAt = undefined;
  agent.giveUpAt = undefined;
  agent.patienceAt = undefined;
}
