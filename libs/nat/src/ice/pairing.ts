/** Forming, replacing and dropping pairs as candidates come and go (RFC 8445 section 6.1.2.2, RFC 8838 section 12). */
import { transportAddressKey, type TransportAddress } from '../net/transport-address.ts';
import type { AgentContext } from './agent-context.ts';
import {
  describeCandidate,
  type CandidateBase,
  type IceCandidate,
  type LocalCandidate,
} from './candidate.ts';
import type { CandidatePair } from './candidate-pair.ts';
import type { CandidatePairCause } from './candidate-pair-state.ts';
import { NATIVE_RELAY_PEER } from './native-relay.ts';
import { checkRemoteCandidate } from './remote-candidate-policy.ts';

export function addLocalCandidate(agent: AgentContext, candidate: LocalCandidate): void {
  if (agent.local.isFull) {
    agent.drop('local-candidate-limit');
    return;
  }
  if (!agent.local.add(candidate)) return;
  if (isTold(agent, candidate))
    agent.emit({ kind: 'local-candidate', candidate: describeCandidate(candidate) });
  pairBase(agent, candidate.base);
}

/** Candidates that may be told to the peer now. */
export function visibleCandidates(agent: AgentContext): readonly IceCandidate[] {
  return agent.local.all
    .filter((candidate) => candidate.kind !== 'peerReflexive' && isTold(agent, candidate))
    .map(describeCandidate);
}

export function releaseDirect(agent: AgentContext): void {
  if (!agent.isDirectHeld) return;
  agent.isDirectHeld = false;
  for (const candidate of agent.local.all) {
    if (
      candidate.base.kind === 'socket' &&
      candidate.kind !== 'peerReflexive' &&
      agent.mayUse(candidate.base)
    ) {
      agent.emit({ kind: 'local-candidate', candidate: describeCandidate(candidate) });
    }
  }
  pairEverything(agent);
}

export function addRemoteCandidate(agent: AgentContext, offered: IceCandidate): void {
  const checked = checkRemoteCandidate(offered, agent.local);
  if (!checked.ok) {
    agent.drop(checked.reason);
    return;
  }
  const { candidate } = checked;
  const known = agent.remote.get(transportAddressKey(candidate.address));
  if (known === undefined ? !keepRemote(agent, candidate) : !replacePeerReflexive(agent, known, candidate))
    return;
  for (const local of agent.local.representatives()) addPair(agent, local, candidate);
}

/** RFC 8445 section 7.3.1.3: a check came from an address that nobody told us. `undefined` where the table is full. */
export function learnPeerReflexive(
  agent: AgentContext,
  address: TransportAddress,
  priority: number,
): IceCandidate | undefined {
  const known = agent.remote.get(transportAddressKey(address));
  if (known !== undefined) return known;
  agent.peerReflexiveCount += 1;
  const candidate: IceCandidate = {
    kind: 'peerReflexive',
    address,
    priority,
    foundation: `peer${agent.peerReflexiveCount}`,
  };
  return keepRemote(agent, candidate) ? candidate : undefined;
}

export function pairEverything(agent: AgentContext): void {
  for (const { base } of agent.local.representatives()) pairBase(agent, base);
}

/** The pair of the base with the candidate, made if it may exist. */
export function addPair(
  agent: AgentContext,
  local: LocalCandidate,
  remote: IceCandidate,
): CandidatePair | undefined {
  if (agent.remoteCredentials === undefined || !agent.mayPair(local.base, remote)) return undefined;
  const isNative = local.base.isNative === true;
  if (isNative !== (remote === NATIVE_RELAY_PEER)) return undefined;
  const added = agent.checklist.add(local, remote, agent.role);
  if (added === undefined) {
    agent.drop('pair-limit');
    return undefined;
  }
  if (added.pruned !== undefined) {
    agent.drop('pair-limit');
    forget(agent, added.pruned);
  }
  if (added.isNew && local.base.kind === 'relay' && !isNative)
    agent.emit({ kind: 'permit', base: local.base, peer: remote.address });
  return added.pair;
}

export function failPair(agent: AgentContext, pair: CandidatePair, cause: CandidatePairCause): void {
  if (pair.state !== 'failed') pair.transition('failed', cause);
  pair.consentUntil = undefined;
  pair.nextConsentAt = undefined;
  pair.nominationOnSuccess = undefined;
  forget(agent, pair);
}

/** The relay will not talk to the address: no pair through it has a future. */
export function refuseRelayPeer(agent: AgentContext, base: CandidateBase, peer: TransportAddress): void {
  for (const pair of agent.checklist.pairs) {
    if (pair.base.id === base.id && pair.remote.address.address === peer.address)
      failPair(agent, pair, 'relay-refused');
  }
}

export function removeBase(agent: AgentContext, base: CandidateBase): void {
  agent.local.removeBase(base);
  for (const pair of agent.checklist.pairs) {
    if (pair.base.id !== base.id) continue;
    failPair(agent, pair, 'base-lost');
    agent.checklist.remove(pair);
  }
}

function pairBase(agent: AgentContext, base: CandidateBase): void {
  const local = agent.local.representativeOf(base);
  if (local === undefined) return;
  for (const pair of agent.checklist.pairs) {
    if (pair.base.id !== base.id || pair.local === local) continue;
    pair.local = local;
    pair.updatePriority(agent.role);
  }
  agent.checklist.sort();
  if (base.isNative === true) addPair(agent, local, NATIVE_RELAY_PEER);
  else for (const remote of agent.remote.values()) addPair(agent, local, remote);
}

/** Whether policy and hold let the peer know of the candidate, and whether there is anything to know. */
function isTold(agent: AgentContext, { base }: LocalCandidate): boolean {
  return base.isNative !== true && agent.mayUse(base);
}

function keepRemote(agent: AgentContext, candidate: IceCandidate): boolean {
  if (agent.remote.size >= agent.limits.maxRemoteCandidates) {
    agent.drop('remote-candidate-limit');
    return false;
  }
  agent.remote.set(transportAddressKey(candidate.address), candidate);
  return true;
}

/** RFC 8838 section 11.4: what signalling says about a candidate is worth more than what a check let us guess. */
function replacePeerReflexive(agent: AgentContext, known: IceCandidate, candidate: IceCandidate): boolean {
  if (known.kind !== 'peerReflexive') return false;
  agent.remote.set(transportAddressKey(candidate.address), candidate);
  for (const pair of agent.checklist.pairs) {
    if (pair.remote !== known) continue;
    pair.remote = candidate;
    pair.updatePriority(agent.role);
  }
  agent.checklist.sort();
  return true;
}

function forget(agent: AgentContext, pair: CandidatePair): void {
  agent.transactions.drop(pair);
  agent.triggered.remove(pair);
}
