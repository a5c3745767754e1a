import type { IceCandidate, NatReport } from '@parley/nat';
import { FRESH_PORTS_MS, isConclusive, transportAddressKey } from '@parley/nat';
import type { IcePath } from '@parley/nat/node';
import {
  decodeBase64url,
  LIMITS,
  type EventOf,
  type NatBehaviour,
  type SessionCandidates,
  type SessionId,
  type Signed,
  type WireCandidate,
} from '@parley/protocol';
import type { KeyPair } from '../identity/keys.ts';
import { signPayload } from '../identity/signing.ts';
import { fromWireCandidates, toWireCandidate } from './candidate-mapping.ts';
import { checkCandidates, type Party, type SessionDropReason, type VerifiedParty } from './signed-session.ts';

type IceOfHalf = SessionCandidates['ice'];

/** What the supernode says about the peer's network, and the relay between the two (DESIGN 6.6, 6.7). */
export type NetworkOfPeer = Pick<EventOf<'session.offered'>, 'observedAddresses' | 'relay'>;

/** What the peer signed about its NAT, with the time at which it did. */
export interface SignedNat {
  readonly nat?: NatBehaviour | undefined;
  readonly issuedAt: number;
}

/** Old reports that are answered with a fresh one, per ICE generation: as many as an agent makes attempts. */
const MAX_FRESH_ANSWERS = 3;

/** From a message that was lost to the next look whether the supernode is there again. */
const REPEAT_MS = 250;

export interface PathNegotiationOptions {
  readonly path: IcePath;
  readonly sessionId: SessionId;
  readonly self: Party;
  readonly peer: VerifiedParty;
  readonly deviceKey: KeyPair;
  /** The offer does not tell what stands in front of addresses that it hides. */
  readonly hidesNat: boolean;
  /** Our addresses stay hidden for good, and the path is the relay's. */
  readonly isRelayOnly: boolean;
  /** What is known of our NAT, with a sampled port where they can be predicted. */
  readonly freshNat: () => Promise<NatReport | undefined>;
  /** Milliseconds since the epoch by the supernode's clock. */
  readonly now: () => number;
  /** Tells the peer; false where the message may be lost, as with a connection that broke. A failure is the sender's to count. */
  readonly send: (candidates: Signed) => Promise<boolean>;
  readonly isOnline: () => boolean;
  /** There is no native relay between the two. */
  readonly allocateRelay: () => void;
}

/** Keeps two ends of one path informed of each other: trickled candidates and restarts, signed in both directions. */
export class PathNegotiation {
  readonly #options: PathNegotiationOptions;
  readonly #told = new Set<string>();
  readonly #offs: (() => void)[] = [];
  #pending: IceCandidate[] = [];
  #isFlushing = false;
  #isOpen = false;
  #sequence = 0;
  #remoteSequence = -1;
  #remoteUfrag: string | undefined;
  #observedAddresses: readonly string[] | undefined;
  #signedNat: SignedNat | undefined;
  /** What the peer was told of our NAT, and when. */
  #toldNat: { readonly nat: NatReport | undefined; readonly at: number } | undefined;
  /** Reports of the peer's that were answered with a fresh one since the last restart. */
  #freshAnswers = 0;
  /** What is known by now. */
  #ownNat: NatReport | undefined;
  #isClosed = false;
  #repetition: NodeJS.Timeout | undefined;
  /** We restarted and have not seen the peer's new credentials: they will be its answer, not a restart of its own. */
  #awaitsRestart = false;

  constructor(options: PathNegotiationOptions) {
    this.#options = options;
    this.#offs.push(
      options.path.onLocalCandidate((candidate) => this.#enqueue(candidate)),
      options.path.onPortsUsedUp(() => void this.#tellFreshNat()),
      options.path.onLocalNat((nat) => {
        this.#ownNat = nat;
        this.#tellBetterNat();
      }),
    );
  }

  get path(): IcePath {
    return this.#options.path;
  }

  /** Whether the peer can be told something now. */
  get isOnline(): boolean {
    return this.#options.isOnline();
  }

  /** What an offer or answer says of our end, with a fresh report of our NAT. Later candidates are trickled. */
  describe(nat?: NatReport): {
    readonly ice: IceOfHalf;
    readonly candidates: WireCandidate[];
    readonly nat?: NatBehaviour;
  } {
    const { path, hidesNat, now } = this.#options;
    if (!hidesNat) this.#toldNat = { nat, at: now() };
    const candidates = path.localCandidates().slice(0, LIMITS.maxCandidates);
    for (const candidate of candidates) this.#told.add(candidateKey(candidate));
    return {
      ice: { ...path.localCredentials },
      candidates: candidates.map(toWireCandidate),
      ...(nat && !hidesNat ? { nat: { ...nat } } : {}),
    };
  }

  /** From now on the peer knows of the session: what was found since `describe` may be sent. */
  open(): void {
    this.#isOpen = true;
    this.#flushSoon();
  }

  /** Starts the checks before the peer's user decided: there is no relay between the two yet. False: they go on already. */
  beginEarly(ice: IceOfHalf, candidates: readonly WireCandidate[]): boolean {
    if (this.#remoteUfrag !== undefined) return false;
    this.#setRemote(ice, candidates);
    return true;
  }

  /** Starts the checks. */
  begin(ice: IceOfHalf, candidates: readonly WireCandidate[], network: NetworkOfPeer = {}): void {
    const relayId = network.relay && decodeBase64url(network.relay.id);
    if (relayId) this.#options.path.addNativeRelay(relayId);
    else this.#options.allocateRelay();
    this.#observedAddresses = network.observedAddresses;
    const isBegun = this.#remoteUfrag !== undefined;
    // What began early came to nothing, here or at the peer's end, which has another one now.
    if (isBegun && (this.#remoteUfrag !== ice.ufrag || this.path.state === 'failed')) this.restart();
    else this.#setRemote(ice, candidates);
  }

  /**
   * Both sides are in earnest: with what the peer signed of its NAT its ports may be predicted or guessed. The side that
   * told of its own NAT long ago, or not at all, tells it now.
   */
  async traverse(signed: SignedNat): Promise<void> {
    this.#signedNat = signed;
    if (this.#options.isRelayOnly) return;
    const told = this.#toldNat;
    // The peer judges by the same two times whether our ports are worth a check.
    const isOld = told?.nat?.portAllocation === 'sequential' && signed.issuedAt - told.at > FRESH_PORTS_MS;
    if (!told || (isOld && this.#mayAnswerAnew())) await this.#tellFreshNat();
    else this.#tellBetterNat();
    if (!this.#isClosed) this.#tellNat(signed);
  }

  /** Where signalling is slow each report is old when it arrives: two sequential sides would answer each other for ever. */
  #mayAnswerAnew(): boolean {
    if (this.#options.path.current?.kind === 'direct' || this.#freshAnswers >= MAX_FRESH_ANSWERS)
      return false;
    this.#freshAnswers += 1;
    return true;
  }

  /**
   * An offer or answer waits for the first report for a moment only: a client that has just signed in tells nothing of use. The
   * peer hears of it when it is there, or it would neither predict nor guess.
   */
  #tellBetterNat(): void {
    const { isRelayOnly, now } = this.#options;
    const told = this.#toldNat;
    if (!this.#signedNat || isRelayOnly || !told) return;
    if (isConclusive(told.nat) || !isConclusive(this.#ownNat)) return;
    this.#toldNat = { nat: this.#ownNat, at: now() };
    void this.#tellFreshNat();
  }

  async #tellFreshNat(): Promise<void> {
    const nat = await this.#options.freshNat();
    if (!nat || this.#isClosed) return;
    this.#toldNat = { nat, at: this.#options.now() };
    this.#send([], nat);
  }

  /** The peer's trickled candidates; a reason when they were dropped. */
  receive(signed: Signed, observedAddresses?: readonly string[]): SessionDropReason | 'replayed' | undefined {
    const { path, sessionId, peer, self } = this.#options;
    const checked = checkCandidates(signed, { sessionId, from: peer, to: self, now: this.#options.now() });
    if (!checked.ok) return checked.reason;
    const { sequence, ice, candidates, endOfCandidates, nat, issuedAt } = checked.value;
    if (sequence <= this.#remoteSequence) return 'replayed';
    this.#remoteSequence = sequence;
    this.#observedAddresses = observedAddresses ?? this.#observedAddresses;
    if (ice.ufrag === this.#remoteUfrag) {
      for (const candidate of fromWireCandidates(candidates)) path.addRemoteCandidate(candidate);
    } else if (this.#remoteUfrag !== undefined) {
      this.#followRestart(ice, candidates);
    }
    if (observedAddresses) path.updateRemoteNetwork({ observedAddresses });
    if (nat) {
      this.#signedNat = { nat, issuedAt };
      void this.traverse(this.#signedNat);
    }
    if (endOfCandidates) path.endOfCandidates();
    return undefined;
  }

  /** New credentials and a new search for paths; data stays on the old path meanwhile (RFC 8445 section 9). */
  restart(): void {
    this.#awaitsRestart = true;
    this.#announceRestart();
  }

  close(): void {
    for (const off of this.#offs) off();
    clearTimeout(this.#repetition);
    this.#pending = [];
    this.#isClosed = true;
    this.#options.path.close();
  }

  #followRestart(ice: IceOfHalf, candidates: readonly WireCandidate[]): void {
    if (!this.#awaitsRestart) this.#announceRestart();
    this.#awaitsRestart = false;
    this.#setRemote(ice, candidates);
    if (this.#signedNat) void this.traverse(this.#signedNat);
  }

  #setRemote(ice: IceOfHalf, candidates: readonly WireCandidate[]): void {
    this.#remoteUfrag = ice.ufrag;
    this.#options.path.setRemote(ice, fromWireCandidates(candidates), {
      observedAddresses: this.#observedAddresses,
    });
  }

  /** The ports that the peer may have are looked for anew. */
  #tellNat({ nat, issuedAt }: SignedNat): void {
    if (!nat) return;
    const ageMs = Math.max(0, this.#options.now() - issuedAt);
    this.#options.path.updateRemoteNetwork({ nat, ageMs });
  }

  #announceRestart(): void {
    const { path } = this.#options;
    path.restart();
    this.#told.clear();
    // A restart follows a change of network more often than not: another NAT may stand in front of us.
    this.#toldNat = undefined;
    this.#freshAnswers = 0;
    this.#pending = [];
    const candidates = path.localCandidates().slice(0, LIMITS.maxCandidates);
    for (const candidate of candidates) this.#told.add(candidateKey(candidate));
    this.#send(candidates);
  }

  #enqueue(candidate: IceCandidate): void {
    this.#pending.push(candidate);
    this.#flushSoon();
  }

  /** Candidates tend to come in groups: one message for all of one turn. */
  #flushSoon(): void {
    if (!this.#isOpen || this.#isFlushing || this.#pending.length === 0) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      const fresh = this.#pending.filter((candidate) => this.#isNews(candidate));
      this.#pending = [];
      if (fresh.length > 0) this.#send(fresh.slice(0, LIMITS.maxCandidates));
    });
  }

  /** True once per candidate. */
  #isNews(candidate: IceCandidate): boolean {
    const key = candidateKey(candidate);
    if (this.#told.has(key)) return false;
    this.#told.add(key);
    return true;
  }

  #send(candidates: readonly IceCandidate[], nat?: NatReport): void {
    const { sessionId, self, peer, deviceKey, path, now, send } = this.#options;
    const payload: SessionCandidates = {
      sessionId,
      from: { userId: self.userId, deviceId: self.deviceId },
      to: { userId: peer.userId, deviceId: peer.deviceId },
      issuedAt: now(),
      sequence: this.#sequence,
      ice: { ...path.localCredentials },
      candidates: candidates.map(toWireCandidate),
      endOfCandidates: false,
      ...(nat ? { nat: { ...nat } } : {}),
    };
    this.#sequence += 1;
    void send(signPayload('sessionCandidates', payload, deviceKey)).then((isTold) => {
      if (!isTold) this.#repeatSoon();
    });
  }

  /**
   * Lost with a connection, most often because our network is another one now. As numbers only grow, a lost message is worth
   * nothing after a later one: all is told anew.
   */
  #repeatSoon(): void {
    if (this.#isClosed) return;
    this.#repetition ??= setTimeout(() => {
      this.#repetition = undefined;
      if (!this.#options.isOnline()) {
        this.#repeatSoon();
        return;
      }
      this.#send(this.#options.path.localCandidates().slice(0, LIMITS.maxCandidates));
      if (this.#toldNat) void this.#tellFreshNat();
    }, REPEAT_MS);
  }
}

function candidateKey(candidate: IceCandidate): string {
  return `${candidate.kind} ${transportAddressKey(candidate.address)}`;
}
