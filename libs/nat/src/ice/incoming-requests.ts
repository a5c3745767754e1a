/** Checks of the peer (RFC 8445 section 7.3): authenticated first, then answered, then followed by a check of our own. */
import type { TransportAddress } from '../net/transport-address.ts';
import { shortTermKey } from '../stun/credentials.ts';
import { StunErrorCode } from '../stun/error-code.ts';
import { verifyFingerprint } from '../stun/fingerprint.ts';
import { verifyMessageIntegrity } from '../stun/integrity.ts';
import type { StunMessage } from '../stun/message.ts';
import type { Instant } from '../time/instant.ts';
import type { AgentContext, EarlyCheck } from './agent-context.ts';
import type { CandidateBase } from './candidate.ts';
import type { CandidatePair } from './candidate-pair.ts';
import {
  decodeCheck,
  decodeCheckUsername,
  encodeCheckError,
  encodeCheckSuccess,
  unknownCheckAttributes,
  type CheckErrorCode,
} from './connectivity-check.ts';
import { adoptExtraSocket } from './hard-nat/extra-sockets.ts';
import type { IceCredentials } from './ice-credentials.ts';
import { otherRole, resolveRoleConflict } from './ice-role.ts';
import { triggerCheck } from './outgoing-checks.ts';
import { addPair, learnPeerReflexive } from './pairing.ts';
import { nominateByPeer } from './path-choice.ts';

export interface ReceivedMessage {
  readonly base: CandidateBase;
  readonly from: TransportAddress;
  readonly message: StunMessage;
}

export function handleRequest(agent: AgentContext, received: ReceivedMessage, now: Instant): void {
  const { base, from, message } = received;
  const username = decodeCheckUsername(message);
  const credentials = credentialsOf(agent, username?.receiver, now);
  // RFC 8445 would answer 400 or 401; silence gives a stranger nothing to reflect or to count on.
  if (username === undefined || credentials === undefined) {
    agent.drop('wrong-username');
    return;
  }
  if (!verifyMessageIntegrity(message, agent.crypto, shortTermKey(credentials.pwd))) {
    agent.drop('bad-integrity');
    return;
  }
  if (!verifyFingerprint(message, agent.crypto)) {
    agent.drop('bad-fingerprint');
    return;
  }
  if (!agent.mayUse(base)) {
    agent.drop(base.kind === 'socket' && agent.isDirectHeld ? 'direct-held' : 'policy');
    return;
  }
  const unknown = unknownCheckAttributes(message);
  if (unknown.length > 0) {
    agent.drop('unknown-attribute');
    refuse(agent, received, StunErrorCode.UNKNOWN_ATTRIBUTE, unknown);
    return;
  }
  const check = decodeCheck(message);
  if (check === undefined) {
    agent.drop('bad-request');
    refuse(agent, received, StunErrorCode.BAD_REQUEST);
    return;
  }
  agent.counters.checksReceived += 1;
  if (credentials !== agent.localCredentials) {
    answer(agent, received, credentials);
    return;
  }
  if (agent.remoteCredentials !== undefined && username.sender !== agent.remoteCredentials.ufrag) {
    agent.drop('wrong-username');
    return;
  }
  const conflict = resolveRoleConflict(agent.claim, check.claim);
  if (conflict === 'refuse') {
    refuse(agent, received, StunErrorCode.ROLE_CONFLICT);
    return;
  }
  if (conflict === 'switch') switchRole(agent);
  const early: EarlyCheck = { base, from, check, senderUfrag: username.sender };
  if (agent.remoteCredentials === undefined) keepEarly(agent, early);
  else acceptCheck(agent, early, now);
  answer(agent, received, credentials);
}

/** What follows from an authenticated check (RFC 8445 sections 7.3.1.3 to 7.3.1.5). */
export function acceptCheck(agent: AgentContext, { base, from, check }: EarlyCheck, now: Instant): void {
  const pair = pairOf(agent, base, from, check.priority);
  if (pair === undefined) return;
  pair.isRequestedByPeer = true;
  agent.probing.isPeerHeard = true;
  triggerCheck(agent, pair, now);
  if (check.nomination !== undefined && agent.role === 'controlled')
    nominateByPeer(agent, pair, check.nomination, now);
}

/** RFC 8445 section 7.3.1.1: every pair has another priority now, and the choice is the other side's. */
export function switchRole(agent: AgentContext): void {
  agent.role = otherRole(agent.role);
  agent.nominated = undefined;
  for (const pair of agent.checklist.pairs) pair.updatePriority(agent.role);
  agent.checklist.sort();
}

/** The pair of what was heard at a base, made if need be. */
export function pairOf(
  agent: AgentContext,
  base: CandidateBase,
  from: TransportAddress,
  priority: number,
): CandidatePair | undefined {
  const known = agent.checklist.find(base, from);
  if (known !== undefined) return known;
  const local = agent.local.representativeOf(base) ?? adoptExtraSocket(agent, base);
  if (local === undefined) {
    agent.drop('unknown-base');
    return undefined;
  }
  const remote = learnPeerReflexive(agent, from, priority);
  return remote === undefined ? undefined : addPair(agent, local, remote);
}

function keepEarly(agent: AgentContext, early: EarlyCheck): void {
  if (agent.earlyChecks.length >= agent.limits.maxEarlyChecks) {
    agent.drop('early-check-limit');
    return;
  }
  agent.earlyChecks.push(early);
}

function credentialsOf(
  agent: AgentContext,
  receiver: string | undefined,
  now: Instant,
): IceCredentials | undefined {
  if (receiver === agent.localCredentials.ufrag) return agent.localCredentials;
  const former = agent.formerCredentials;
  return former !== undefined && now < former.until && receiver === former.credentials.ufrag
    ? former.credentials
    : undefined;
}

function answer(
  agent: AgentContext,
  { base, from, message }: ReceivedMessage,
  credentials: IceCredentials,
): void {
  agent.emit({
    kind: 'send',
    base,
    to: from,
    bytes: encodeCheckSuccess(message, from, credentials, agent.crypto),
  });
}

function refuse(
  agent: AgentContext,
  { base, from, message }: ReceivedMessage,
  code: CheckErrorCode,
  unknown?: readonly number[],
): void {
  agent.emit({
    kind: 'send',
    base,
    to: from,
    bytes: encodeCheckError(message, code, agent.localCredentials, agent.crypto, unknown),
  });
}
