/**
 * After a relay died. Other relayed pairs may have an end at the same supernode, and their consent from before lasts for up to 30
 * seconds: who has not answered since the doubt began is not chosen, whatever is known of its round trip. Who is slow only, because
 * a processor is busy, is asked once more before it is given up: another relay may die soon.
 */
import { after, type Instant } from '../time/instant.ts';
import type { AgentContext } from './agent-context.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { sendCheck } from './outgoing-checks.ts';
import { failPair } from './pairing.ts';

/** For the answer of a relay that lives. */
const DECIDED_AFTER_MS = 1500;

/** Asks all of them which one lives. */
export function askOtherRelays(agent: AgentContext, now: Instant): void {
  for (const pair of otherRelays(agent, now)) sendCheck(agent, pair, 'consent', now);
}

/** Whether another relay answered since the path in use became suspect. */
export function hasLivingRelay(agent: AgentContext, now: Instant): boolean {
  const since = agent.liveness.suspectSince;
  return since !== undefined && otherRelays(agent, now).some((pair) => hasAnsweredSince(pair, since));
}

/** The path in use is dead. */
export function doubtOtherRelays(agent: AgentContext, now: Instant): void {
  const since = agent.liveness.suspectSince;
  if (since === undefined) return;
  agent.relayDoubt = { since, until: after(now, DECIDED_AFTER_MS) };
  for (const pair of otherRelays(agent, now))
    if (!hasAnsweredSince(pair, since)) sendCheck(agent, pair, 'consent', now);
}

/** Gives up those that did not answer. */
export function decideDoubt(agent: AgentContext, now: Instant): void {
  const doubt = agent.relayDoubt;
  if (doubt === undefined || now < doubt.until) return;
  agent.relayDoubt = undefined;
  for (const pair of otherRelays(agent, now))
    if (!hasAnsweredSince(pair, doubt.since)) failPair(agent, pair, 'path-dead');
}

/** It may be dead: it is not chosen. */
export function isInDoubt(agent: AgentContext, pair: CandidatePair): boolean {
  return agent.relayDoubt !== undefined && pair.isRelayed && !hasAnsweredSince(pair, agent.relayDoubt.since);
}

function otherRelays(agent: AgentContext, now: Instant): readonly CandidatePair[] {
  const current = agent.current?.pair;
  return agent.checklist.pairs.filter((pair) => pair !== current && pair.isRelayed && pair.isValid(now));
}

function hasAnsweredSince({ answeredAt }: CandidatePair, since: Instant): boolean {
  return answeredAt !== undefined && answeredAt >= since;
}
