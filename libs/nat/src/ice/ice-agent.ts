import type { NatCrypto } from '../crypto/crypto.port.ts';
import { sameTransportAddress, type TransportAddress } from '../net/transport-address.ts';
import { decodeStunMessage } from '../stun/message.ts';
import { Method } from '../stun/message-type.ts';
import { transactionIdKey } from '../stun/transaction-id.ts';
import type { Core } from '../time/core.ts';
import { after, type Instant } from '../time/instant.ts';
import { AgentContext, reportPath } from './agent-context.ts';
import type { CandidateBase, IceCandidate } from './candidate.ts';
import type { CandidatePairState } from './candidate-pair-state.ts';
import { forgetExtraSocket } from './hard-nat/extra-sockets.ts';
import { receivePortSample } from './hard-nat/port-sampling.ts';
import type { ProbeBudget } from './hard-nat/probe-budget.ts';
import { beginAgain, closeProbing, forgetAttempts, probe } from './hard-nat/probing.ts';
import { areValidIceCredentials, newIceCredentials, type IceCredentials } from './ice-credentials.ts';
import type {
  IceDropReason,
  IceInput,
  IceOutput,
  IcePathReport,
  IcePolicy,
  IceRoute,
  IceState,
} from './ice-io.ts';
import { DEFAULT_ICE_LIMITS, type IceLimits } from './ice-limits.ts';
import type { IceRole } from './ice-role.ts';
import { acceptCheck, handleRequest } from './incoming-requests.ts';
import { handleResponse } from './incoming-responses.ts';
import { sendPacedChecks } from './outgoing-checks.ts';
import { mergeNetworks } from './remote-network.ts';
import {
  addLocalCandidate,
  addRemoteCandidate,
  pairEverything,
  refuseRelayPeer,
  releaseDirect,
  removeBase,
  visibleCandidates,
} from './pairing.ts';
import { checkRelayFirst, choosePath, losePath, measureRelays, warmRelays } from './path-choice.ts';
import {
  keepUp,
  leaveOutlived,
  nextUpkeepAt,
  scheduleConsent,
  seek,
  seekSoon,
  watchForFailure,
} from './upkeep.ts';

export interface IceAgentOptions {
  readonly crypto: NatCrypto;
  /** The caller is controlling. */
  readonly role: IceRole;
  /** @default 'any' */
  readonly policy?: IcePolicy;
  /**
   * Until the callee accepts, its addresses stay hidden: only relayed candidates are told and used, nothing leaves the
   * socket for the peer, whatever the peer sends (DESIGN 6.5). Ended by `release-direct`. @default false
   */
  readonly holdDirect?: boolean;
  /** @default random */
  readonly tiebreaker?: bigint;
  readonly limits?: Partial<IceLimits>;
  /** What all agents of an endpoint may send to predicted and guessed ports. @default one of its own */
  readonly probeBudget?: ProbeBudget;
}

export interface IceAgentStats {
  readonly checksSent: number;
  readonly checksReceived: number;
  readonly checksAnswered: number;
  /** Checks to ports that the peer's sequential NAT may have given; not among `checksSent`. */
  readonly predictedChecksSent: number;
  /** Checks to random ports of a peer; not among `checksSent`. */
  readonly guessesSent: number;
  /** Sockets that were opened to be met by the peer's guesses. */
  readonly extraSocketsOpened: number;
  readonly drops: ReadonlyMap<IceDropReason, number>;
  readonly pairs: Readonly<Record<CandidatePairState, number>>;
  readonly remoteCandidates: number;
  readonly outstandingTransactions: number;
}

/**
 * A full ICE agent (RFC 8445, trickle RFC 8838, consent RFC 7675) for one data stream with one component. Gathering is the
 * caller's: it gives local candidates in and performs the outputs. `docs/architecture/ice.md` tells how data moves.
 */
export class IceAgent implements Core<IceInput, IceOutput> {
  readonly #agent: AgentContext;
  #nextAt: Instant | undefined;

  constructor(options: IceAgentOptions) {
    this.#agent = new AgentContext({
      crypto: options.crypto,
      limits: { ...DEFAULT_ICE_LIMITS, ...options.limits },
      policy: options.policy ?? 'any',
      role: options.role,
      tiebreaker: options.tiebreaker,
      holdDirect: options.holdDirect ?? false,
      probeBudget: options.probeBudget,
    });
  }

  get localCredentials(): IceCredentials {
    return this.#agent.localCredentials;
  }

  get role(): IceRole {
    return this.#agent.role;
  }

  get state(): IceState {
    return this.#agent.state;
  }

  /** How data travels now, with the latest round trip. */
  get path(): IcePathReport | undefined {
    return this.#agent.current === undefined ? undefined : reportPath(this.#agent.current);
  }

  /** Candidates that may be told to the peer now: policy and hold applied. */
  localCandidates(): readonly IceCandidate[] {
    return visibleCandidates(this.#agent);
  }

  /** Whether a check with this fragment in front of its USERNAME is for this agent. */
  answersTo(ufrag: string): boolean {
    const { localCredentials, formerCredentials } = this.#agent;
    return ufrag === localCredentials.ufrag || ufrag === formerCredentials?.credentials.ufrag;
  }

  /** Whether a response with this id is for this agent. */
  ownsTransaction(transactionId: Uint8Array): boolean {
    const { transactions, probing } = this.#agent;
    return (
      transactions.find(transactionId) !== undefined || probing.sent.has(transactionIdKey(transactionId))
    );
  }

  /** Where the next data datagram goes: nowhere without a path, on the relay too while the path is suspect. */
  routes(now: Instant): readonly IceRoute[] {
    const { current, liveness } = this.#agent;
    if (current === undefined) return [];
    const isUsable =
      current.provisionalUntil === undefined ? current.pair.isValid(now) : now < current.provisionalUntil;
    if (!isUsable) return [];
    const route = { base: current.pair.base, to: current.pair.remote.address };
    const relays = liveness.isSuspect ? warmRelays(this.#agent, now) : [];
    return [route, ...relays.map(({ base, remote }) => ({ base, to: remote.address }))];
  }

  /** Data that asks for an answer was sent. */
  noteDataSent(now: Instant): void {
    const { current, liveness } = this.#agent;
    if (current === undefined || current.provisionalUntil !== undefined) return;
    liveness.noteSent(now);
    const suspectAt = liveness.nextAt(current.pair.shortestRoundTripMs);
    if (suspectAt !== undefined && (this.#nextAt === undefined || suspectAt < this.#nextAt))
      this.#nextAt = suspectAt;
  }

  /**
   * Data of the peer came. It shows that the path in use works only where it came on that path: a peer whose network changed is
   * heard through the relay, and hears us there alone. True: the timer is to be set anew.
   */
  noteDataReceived(base: CandidateBase, from: TransportAddress, now: Instant): boolean {
    const { current, liveness, limits } = this.#agent;
    if (current === undefined) return false;
    const { pair, provisionalUntil, since } = current;
    if (pair.base.id === base.id && sameTransportAddress(pair.remote.address, from)) {
      liveness.noteReceived();
      return false;
    }
    // What was on its way when the path changed says nothing.
    const isSettled = provisionalUntil === undefined && after(since, limits.minTenureMs) <= now;
    if (pair.isRelayed || !isSettled || !this.isRelayed(base, from) || !liveness.doubt(now)) return false;
    this.#nextAt = now;
    return true;
  }

  /** Whether a relay forwarded what came from this address at this base, as far as is known. */
  isRelayed(base: CandidateBase, from: TransportAddress): boolean {
    const pair = this.#agent.current?.pair;
    // the common case, without making the key of a pair for each datagram
    if (pair?.base.id === base.id && sameTransportAddress(pair.remote.address, from)) return pair.isRelayed;
    return this.#agent.checklist.find(base, from)?.isRelayed ?? base.kind === 'relay';
  }

  handle(input: IceInput, now: Instant): readonly IceOutput[] {
    if (this.#agent.state === 'closed') {
      if (input.kind === 'datagram') this.#agent.drop('closed');
      return this.#agent.takeOutputs();
    }
    this.#apply(input, now);
    return this.#settle(now);
  }

  handleTimeout(now: Instant): readonly IceOutput[] {
    if (this.#agent.state === 'closed') return [];
    // Before a new search: it would put off for ever what has no hope.
    watchForFailure(this.#agent, now);
    keepUp(this.#agent, now);
    return this.#settle(now);
  }

  nextTimeoutAt(): Instant | undefined {
    return this.#nextAt;
  }

  stats(): IceAgentStats {
    const { counters, checklist, remote, transactions } = this.#agent;
    const pairs: Record<CandidatePairState, number> = {
      frozen: 0,
      waiting: 0,
      'in-progress': 0,
      succeeded: 0,
      failed: 0,
    };
    for (const { state } of checklist.pairs) pairs[state] += 1;
    return {
      checksSent: counters.checksSent,
      checksReceived: counters.checksReceived,
      checksAnswered: counters.checksAnswered,
      predictedChecksSent: counters.predictedChecksSent,
      guessesSent: counters.guessesSent,
      extraSocketsOpened: counters.extraSocketsOpened,
      drops: new Map(counters.drops),
      pairs,
      remoteCandidates: remote.size,
      outstandingTransactions: transactions.size,
    };
  }
  #apply(input: IceInput, now: Instant): void {
    const agent = this.#agent;
    switch (input.kind) {
      case 'datagram':
        receive(agent, input.base, input.from, input.bytes, now);
        break;
      case 'local-candidate':
        addLocalCandidate(agent, input.candidate);
        break;
      case 'gathering-complete':
        agent.isLocalComplete = true;
        break;
      case 'remote-credentials':
        if (input.network !== undefined)
          agent.remoteNetwork = mergeNetworks(agent.remoteNetwork, input.network);
        begin(agent, input.credentials, now);
        for (const candidate of input.candidates ?? []) addRemoteCandidate(agent, candidate);
        checkRelayFirst(agent, now);
        break;
      case 'remote-candidate':
        addRemoteCandidate(agent, input.candidate);
        break;
      case 'end-of-candidates':
        agent.isRemoteComplete = true;
        break;
      case 'local-nat':
        agent.localNat = input.nat;
        break;
      case 'remote-network':
        agent.remoteNetwork = mergeNetworks(agent.remoteNetwork, input.network);
        if (input.network.nat !== undefined) beginAgain(agent);
        break;
      case 'port-sample':
        receivePortSample(agent, input.sample, input.address);
        break;
      case 'release-direct':
        releaseDirect(agent);
        break;
      case 'relay-refused':
        refuseRelayPeer(agent, input.base, input.peer);
        break;
      case 'base-lost':
        loseBase(agent, input.base, now);
        break;
      case 'seek':
        agent.seekWaitMs = agent.limits.seekMinMs;
        seek(agent, now);
        break;
      case 'restart':
        restart(agent, now);
        break;
      case 'close':
        close(agent);
        break;
    }
  }

  #settle(now: Instant): readonly IceOutput[] {
    if (this.#agent.state !== 'closed') {
      leaveOutlived(this.#agent, now);
      measureRelays(this.#agent, now);
      choosePath(this.#agent, now);
      probe(this.#agent, now);
      sendPacedChecks(this.#agent, now);
      scheduleConsent(this.#agent, now);
      watchForFailure(this.#agent, now);
    }
    this.#nextAt = this.#agent.state === 'closed' ? undefined : nextUpkeepAt(this.#agent, now);
    return this.#agent.takeOutputs();
  }
}

function receive(
  agent: AgentContext,
  base: CandidateBase,
  from: TransportAddress,
  bytes: Uint8Array,
  now: Instant,
): void {
  const decoded = decodeStunMessage(bytes);
  if (!decoded.ok) {
    agent.drop('malformed');
    return;
  }
  const { message } = decoded;
  if (message.method !== Method.BINDING) {
    agent.drop('not-a-check');
    return;
  }
  // A Binding indication is a keepalive (RFC 8445 section 11): nothing follows from it.
  if (message.messageClass === 'indication') return;
  if (message.messageClass === 'request') handleRequest(agent, { base, from, message }, now);
  else handleResponse(agent, { base, from, message }, now);
}

function begin(agent: AgentContext, credentials: IceCredentials, now: Instant): void {
  if (!areValidIceCredentials(credentials)) {
    agent.drop('invalid-credentials');
    return;
  }
  const known = agent.remoteCredentials;
  if (known !== undefined) {
    if (known.ufrag !== credentials.ufrag || known.pwd !== credentials.pwd) agent.drop('restart-needed');
    return;
  }
  agent.remoteCredentials = credentials;
  if (agent.state === 'new') agent.setState('checking', 'remote-set');
  agent.seekAt = after(now, agent.seekWaitMs);
  pairEverything(agent);
  const early = agent.earlyChecks;
  agent.earlyChecks = [];
  for (const check of early) {
    if (check.senderUfrag === credentials.ufrag) acceptCheck(agent, check, now);
    else agent.drop('wrong-username');
  }
}

function loseBase(agent: AgentContext, base: CandidateBase, now: Instant): void {
  removeBase(agent, base);
  forgetExtraSocket(agent, base);
  if (agent.current?.pair.base.id === base.id) losePath(agent, 'base-lost');
  seekSoon(agent, now);
}

/** RFC 8445 section 9: new credentials, an empty checklist; the path in use keeps carrying data as long as its consent lasts. */
function restart(agent: AgentContext, now: Instant): void {
  agent.formerCredentials = {
    credentials: agent.localCredentials,
    until: after(now, agent.limits.consentExpiryMs),
  };
  agent.localCredentials = newIceCredentials(agent.crypto);
  agent.remoteCredentials = undefined;
  agent.isRemoteComplete = false;
  forgetAttempts(agent);
  agent.remote.clear();
  agent.checklist.clear();
  agent.triggered.clear();
  agent.transactions.clear();
  agent.earlyChecks = [];
  agent.nominated = undefined;
  agent.relayChoice.reset();
  agent.relayDoubt = undefined;
  agent.provisionalUntil = undefined;
  agent.seekWaitMs = agent.limits.seekMinMs;
  agent.seekAt = undefined;
  agent.giveUpAt = undefined;
  agent.patienceAt = undefined;
  if (agent.state === 'failed' || agent.state === 'disconnected') agent.setState('checking', 'restarted');
}

function close(agent: AgentContext): void {
  if (agent.current !== undefined) {
    agent.current = undefined;
    agent.emit({ kind: 'path-lost', cause: 'closed' });
  }
  agent.triggered.clear();
  agent.transactions.clear();
  agent.checklist.clear();
  closeProbing(agent);
  agent.setState('closed', 'closed');
}
