import type { NatCrypto } from '../crypto/crypto.port.ts';
import { NatError } from '../errors.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { after, type Instant } from '../time/instant.ts';
import type { CandidateBase, IceCandidate } from './candidate.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { CheckTransactions } from './check-transactions.ts';
import { Checklist } from './checklist.ts';
import type { ReceivedCheck } from './connectivity-check.ts';
import { ProbeBudget } from './hard-nat/probe-budget.ts';
import { ProbingState } from './hard-nat/probing-state.ts';
import { newIceCredentials, type IceCredentials } from './ice-credentials.ts';
import {
  ICE_STATE_TRANSITIONS,
  type IceDropReason,
  type IceOutput,
  type IcePathReport,
  type IcePolicy,
  type IceRelays,
  type IceState,
  type IceStateCause,
} from './ice-io.ts';
import type { IceLimits } from './ice-limits.ts';
import type { IceRole, RoleClaim } from './ice-role.ts';
import { LocalCandidates } from './local-candidates.ts';
import { PathLiveness } from './path-liveness.ts';
import { RelayChoice } from './relay-choice.ts';
import type { NatReport, RemoteNetwork } from './remote-network.ts';
import { TriggeredCheckQueue } from './triggered-check-queue.ts';

/** The path that carries data. */
export interface CurrentPath {
  readonly pair: CandidatePair;
  /** Set while no check has succeeded: the end of what the accepted offer allows. */
  readonly provisionalUntil: Instant | undefined;
  readonly since: Instant;
}

/** An authenticated check that came before the peer's credentials did. */
export interface EarlyCheck {
  readonly base: CandidateBase;
  readonly from: TransportAddress;
  readonly check: ReceivedCheck;
  readonly senderUfrag: string;
}

export interface AgentCounters {
  checksSent: number;
  checksReceived: number;
  checksAnswered: number;
  predictedChecksSent: number;
  guessesSent: number;
  extraSocketsOpened: number;
  readonly drops: Map<IceDropReason, number>;
}

export interface AgentContextOptions {
  readonly crypto: NatCrypto;
  readonly limits: IceLimits;
  readonly policy: IcePolicy;
  readonly role: IceRole;
  readonly tiebreaker: bigint | undefined;
  readonly holdDirect: boolean;
  readonly probeBudget: ProbeBudget | undefined;
}

/** Everything that an agent knows. The modules beside it are its rules; only they change it. */
export class AgentContext {
  readonly crypto: NatCrypto;
  readonly limits: IceLimits;
  readonly policy: IcePolicy;

  role: IceRole;
  tiebreaker: bigint;
  localCredentials: IceCredentials;
  /** Of the generation before a restart; its checks are still answered for a while. */
  formerCredentials: { readonly credentials: IceCredentials; readonly until: Instant } | undefined;
  remoteCredentials: IceCredentials | undefined;
  remoteNetwork: RemoteNetwork = {};
  localNat: NatReport | undefined;

  isDirectHeld: boolean;
  isLocalComplete = false;
  isRemoteComplete = false;
  readonly local: LocalCandidates;
  readonly remote = new Map<string, IceCandidate>();
  readonly checklist: Checklist;
  readonly triggered = new TriggeredCheckQueue();
  readonly transactions: CheckTransactions;
  earlyChecks: EarlyCheck[] = [];
  peerReflexiveCount = 0;

  current: CurrentPath | undefined;
  /** The choice of the controlling side. */
  nominated: { readonly pair: CandidatePair; readonly value: number } | undefined;
  nominationCount = 0;
  /** Set when the relay first carried data without a check, in this generation. */
  provisionalUntil: Instant | undefined;
  readonly liveness: PathLiveness;
  readonly relayChoice = new RelayChoice();
  /** When a path that would be preferred was asked whether it lives. */
  proofAskedAt: Instant | undefined;
  /** A relay died: relayed pairs that have not answered since are not chosen until it is decided. */
  relayDoubt: { readonly since: Instant; readonly until: Instant } | undefined;
  readonly probing = new ProbingState();
  readonly probeBudget: ProbeBudget;

  state: IceState = 'new';
  nextCheckAt: Instant | undefined;
  reviewAt: Instant | undefined;
  seekAt: Instant | undefined;
  seekWaitMs: number;
  /** Until then a checklist without hope is not given up: the peer may still reach us (RFC 8863). */
  patienceAt: Instant | undefined;
  giveUpAt: Instant | undefined;

  readonly counters: AgentCounters = {
    checksSent: 0,
    checksReceived: 0,
    checksAnswered: 0,
    predictedChecksSent: 0,
    guessesSent: 0,
    extraSocketsOpened: 0,
    drops: new Map(),
  };
  #outputs: IceOutput[] = [];

  constructor(options: AgentContextOptions) {
    this.crypto = options.crypto;
    this.limits = options.limits;
    this.policy = options.policy;
    this.role = options.role;
    this.tiebreaker = options.tiebreaker ?? newTiebreaker(options.crypto);
    this.localCredentials = newIceCredentials(options.crypto);
    this.isDirectHeld = options.holdDirect;
    this.local = new LocalCandidates(options.limits.maxLocalCandidates);
    this.checklist = new Checklist(options.limits.maxPairs);
    this.transactions = new CheckTransactions(options.limits.maxTransactions);
    this.liveness = new PathLiveness(options.limits);
    this.probeBudget = options.probeBudget ?? new ProbeBudget();
    this.seekWaitMs = options.limits.seekMinMs;
  }

  get claim(): RoleClaim {
    return { role: this.role, tiebreaker: this.tiebreaker };
  }

  get isActive(): boolean {
    return this.remoteCredentials !== undefined && this.state !== 'failed' && this.state !== 'closed';
  }

  emit(output: IceOutput): void {
    this.#outputs.push(output);
  }

  drop(reason: IceDropReason): void {
    this.counters.drops.set(reason, (this.counters.drops.get(reason) ?? 0) + 1);
    this.emit({ kind: 'drop', reason });
  }

  takeOutputs(): readonly IceOutput[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  setState(to: IceState, cause: IceStateCause): void {
    const from = this.state;
    if (from === to) return;
    const allowed: readonly IceState[] = ICE_STATE_TRANSITIONS[from];
    if (!allowed.includes(to))
      throw new NatError('NAT_INVARIANT', `An ICE agent does not go from ${from} to ${to} (${cause}).`);
    this.state = to;
    this.emit({ kind: 'state', from, to, cause });
  }

  /** Whether policy and hold allow sending from the base at all. */
  mayUse(base: CandidateBase): boolean {
    if (base.kind === 'relay') return this.policy !== 'direct-only';
    return this.policy !== 'relay-only' && !this.isDirectHeld;
  }

  mayPair(base: CandidateBase, remote: IceCandidate): boolean {
    if (base.family !== remote.address.family || !this.mayUse(base)) return false;
    return this.policy !== 'direct-only' || remote.kind !== 'relayed';
  }

  /** A uniformly random instant between the two waits. */
  randomInstant(now: Instant, minMs: number, maxMs: number): Instant {
    const [high = 0, low = 0] = this.crypto.randomBytes(2);
    return after(now, minMs + ((maxMs - minMs) * (high * 256 + low)) / 65_535);
  }
}

export function newTiebreaker(crypto: NatCrypto): bigint {
  let value = 0n;
  for (const byte of crypto.randomBytes(8)) value = (value << 8n) | BigInt(byte);
  return value;
}

export function reportPath(path: CurrentPath): IcePathReport {
  const { pair, provisionalUntil } = path;
  return {
    kind: pair.isRelayed ? 'relayed' : 'direct',
    provisional: provisionalUntil !== undefined,
    local: (pair.mappedLocal ?? pair.local).address,
    remote: pair.remote.address,
    rttMs: pair.roundTripMs,
    ...(pair.isRelayed ? { relays: relaysOf(pair) } : {}),
  };
}

function relaysOf({ base, remote }: CandidatePair): IceRelays {
  const own = base.kind === 'relay' ? base.server : undefined;
  const isPeers = remote.kind === 'relayed' && base.isNative !== true;
  return { ...(own === undefined ? {} : { own }), ...(isPeers ? { peer: remote.address } : {}) };
}
