import type { CandidateBase, IceCandidate, LocalCandidate } from '../../ice/candidate.ts';
import { IceAgent, type IceAgentStats } from '../../ice/ice-agent.ts';
import type { IceCredentials } from '../../ice/ice-credentials.ts';
import type {
  IceFailureCause,
  IceInput,
  IceOutput,
  IcePathReport,
  IceState,
  IceStateCause,
  PathLossCause,
} from '../../ice/ice-io.ts';
import type { NatReport, RemoteNetwork } from '../../ice/remote-network.ts';
import type { NatCrypto } from '../../crypto/crypto.port.ts';
import { nativeRelayCandidate } from '../../ice/native-relay.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import type { Instant } from '../../time/instant.ts';
import type { CreatePathOptions, TrafficCount } from './endpoint-types.ts';
import type { HardNatSupport } from './hard-nat-support.ts';
import { Listeners } from './listeners.ts';

/** What a path needs of its endpoint. */
export interface PathCarrier {
  readonly crypto: NatCrypto;
  readonly hardNat: HardNatSupport;
  now(): Instant;
  transmit(base: CandidateBase, to: TransportAddress, bytes: Uint8Array): void;
  permit(path: IcePath, peer: TransportAddress): void;
  /** Nothing comes back: mappings and allocation may be gone. */
  askServers(): void;
  bindChannel(peer: TransportAddress): void;
  /** Data of a path goes through a relay from now on. */
  relayed(): void;
  /** `undefined` where the path has this relay already. */
  addNativeRelay(path: IcePath, id: Uint8Array): CandidateBase | undefined;
  /** Something may be due earlier than before; where it is known, at `at`. */
  rearm(at?: Instant): void;
  remove(path: IcePath): void;
}

export interface IceStateChange {
  readonly from: IceState;
  readonly to: IceState;
  readonly cause: IceStateCause;
}

export interface IcePathStats extends IceAgentStats {
  readonly direct: Readonly<TrafficCount>;
  readonly relay: Readonly<TrafficCount>;
}

/** One session's way to its peer through the endpoint's socket: relayed at first, direct as soon as a check proved it. */
export class IcePath {
  readonly dataKey: string;
  readonly #agent: IceAgent;
  readonly #carrier: PathCarrier;
  readonly #dataListeners = new Listeners<[bytes: Uint8Array]>();
  readonly #pathListeners = new Listeners<[path: IcePathReport]>();
  readonly #pathLostListeners = new Listeners<[cause: PathLossCause]>();
  readonly #failedListeners = new Listeners<[cause: IceFailureCause]>();
  readonly #stateListeners = new Listeners<[change: IceStateChange]>();
  readonly #portListeners = new Listeners<[]>();
  readonly #natListeners = new Listeners<[nat: NatReport]>();
  readonly #candidateListeners = new Listeners<[candidate: IceCandidate]>();
  readonly #direct: TrafficCount = { datagramsIn: 0, datagramsOut: 0, bytesIn: 0, bytesOut: 0 };
  readonly #relay: TrafficCount = { datagramsIn: 0, datagramsOut: 0, bytesIn: 0, bytesOut: 0 };
  #isClosed = false;

  /** Made by `UdpEndpoint.createPath`. */
  constructor(carrier: PathCarrier, options: CreatePathOptions) {
    const { role, policy, holdDirect, tiebreaker } = options;
    this.#carrier = carrier;
    this.dataKey = options.dataKey;
    this.#agent = new IceAgent({
      crypto: carrier.crypto,
      role,
      probeBudget: carrier.hardNat.budget,
      ...(policy === undefined ? {} : { policy }),
      ...(holdDirect === undefined ? {} : { holdDirect }),
      ...(tiebreaker === undefined ? {} : { tiebreaker }),
    });
    const { nat } = carrier.hardNat;
    if (nat !== undefined) this.setLocalNat(nat);
  }

  /** Changes at {@link restart}. */
  get localCredentials(): IceCredentials {
    return this.#agent.localCredentials;
  }

  /** How data travels now. */
  get current(): IcePathReport | undefined {
    return this.#agent.path;
  }

  get state(): IceState {
    return this.#agent.state;
  }

  /** Candidates that may be told to the peer now: policy and `holdDirect` applied. */
  localCandidates(): readonly IceCandidate[] {
    return this.#agent.localCandidates();
  }

  /**
   * From the accepted offer or answer; the checks start. Candidates that can't be used are counted drops. `network` lets the
   * agent predict or guess ports, towards addresses at which a supernode observed the peer only.
   */
  setRemote(
    credentials: IceCredentials,
    candidates: readonly IceCandidate[] = [],
    network?: RemoteNetwork,
  ): void {
    this.#input({
      kind: 'remote-credentials',
      credentials,
      candidates,
      ...(network === undefined ? {} : { network }),
    });
  }

  /** A relay between our registered flow and the peer's, by the id (8 bytes) that both were told; before {@link setRemote}. */
  addNativeRelay(id: Uint8Array): void {
    const base = this.#carrier.addNativeRelay(this, id);
    if (base !== undefined) this.#input({ kind: 'local-candidate', candidate: nativeRelayCandidate(base) });
  }

  /** The peer's network anew: what is left out stays as it was. */
  updateRemoteNetwork(network: RemoteNetwork): void {
    this.#input({ kind: 'remote-network', network });
  }

  addRemoteCandidate(candidate: IceCandidate): void {
    this.#input({ kind: 'remote-candidate', candidate });
  }

  endOfCandidates(): void {
    this.#input({ kind: 'end-of-candidates' });
  }

  /** The callee accepted: {@link onLocalCandidate} fires for every candidate that was held back. */
  releaseDirect(): void {
    this.#input({ kind: 'release-direct' });
  }

  /** False: there is no path now, nothing was sent. `expectsAnswer` (default true) lets a path without answers become suspect. */
  send(bytes: Uint8Array, options?: { readonly expectsAnswer?: boolean }): boolean {
    const now = this.#carrier.now();
    const routes = this.#agent.routes(now);
    if (routes.length === 0) return false;
    const count = this.#agent.path?.kind === 'direct' ? this.#direct : this.#relay;
    count.datagramsOut += 1;
    count.bytesOut += bytes.length;
    for (const { base, to } of routes) this.#carrier.transmit(base, to, bytes);
    if (options?.expectsAnswer !== false) {
      this.#agent.noteDataSent(now);
      this.#carrier.rearm(this.#agent.nextTimeoutAt());
    }
    return true;
  }

  /** New credentials to signal; data stays on the old path until a new one is valid. Then {@link setRemote} with the peer's new ones. */
  restart(): IceCredentials {
    this.#input({ kind: 'restart' });
    // It is often for another network that a session begins anew.
    this.#carrier.askServers();
    return this.#agent.localCredentials;
  }

  /** Look for better paths now, as after a change of network. */
  seek(): void {
    this.#input({ kind: 'seek' });
  }

  /** The listener owns the bytes. */
  onData(listener: (bytes: Uint8Array) => void): () => void {
    return this.#dataListeners.add(listener);
  }

  onPath(listener: (path: IcePathReport) => void): () => void {
    return this.#pathListeners.add(listener);
  }

  /** There is no path any more, or not yet again: {@link onPath} tells of the next one, {@link onFailed} that none will come. */
  onPathLost(listener: (cause: PathLossCause) => void): () => void {
    return this.#pathLostListeners.add(listener);
  }

  onFailed(listener: (cause: IceFailureCause) => void): () => void {
    return this.#failedListeners.add(listener);
  }

  onState(listener: (change: IceStateChange) => void): () => void {
    return this.#stateListeners.add(listener);
  }

  /** Candidates to tell the peer after the offer or answer went out. */
  onLocalCandidate(listener: (candidate: IceCandidate) => void): () => void {
    return this.#candidateListeners.add(listener);
  }

  /** No prediction of ports came true: tell the peer of freshly sampled ones, it answers with its own. */
  onPortsUsedUp(listener: () => void): () => void {
    return this.#portListeners.add(listener);
  }

  /** What is known of the NAT in front of us, whenever more is known. */
  onLocalNat(listener: (nat: NatReport) => void): () => void {
    return this.#natListeners.add(listener);
  }

  stats(): IcePathStats {
    return { ...this.#agent.stats(), direct: { ...this.#direct }, relay: { ...this.#relay } };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#input({ kind: 'close' });
    this.#carrier.remove(this);
    this.#dataListeners.clear();
    this.#pathListeners.clear();
    this.#pathLostListeners.clear();
    this.#failedListeners.clear();
    this.#stateListeners.clear();
    this.#candidateListeners.clear();
    this.#portListeners.clear();
    this.#natListeners.clear();
  }

  /** @internal For the endpoint. */
  answersTo(ufrag: string): boolean {
    return this.#agent.answersTo(ufrag);
  }

  /** @internal For the endpoint. Whether data goes out through one of these now. */
  isOn(bases: readonly CandidateBase[]): boolean {
    return this.#agent.routes(this.#carrier.now()).some(({ base }) => bases.some(({ id }) => id === base.id));
  }

  /** @internal For the endpoint. */
  ownsTransaction(transactionId: Uint8Array): boolean {
    return this.#agent.ownsTransaction(transactionId);
  }

  /** @internal For the endpoint. */
  receiveCheck(base: CandidateBase, from: TransportAddress, bytes: Uint8Array): void {
    this.#input({ kind: 'datagram', base, from, bytes });
  }

  /** @internal For the endpoint. */
  receiveData(base: CandidateBase, from: TransportAddress, bytes: Uint8Array): void {
    const count = this.#agent.isRelayed(base, from) ? this.#relay : this.#direct;
    count.datagramsIn += 1;
    count.bytesIn += bytes.length;
    if (this.#agent.noteDataReceived(base, from, this.#carrier.now()))
      this.#carrier.rearm(this.#agent.nextTimeoutAt());
    this.#dataListeners.notify(bytes);
  }

  /** @internal For the endpoint. */
  addLocalCandidate(candidate: LocalCandidate): void {
    this.#input({ kind: 'local-candidate', candidate });
  }

  /** @internal For the endpoint. */
  setLocalNat(nat: NatReport): void {
    this.#input({ kind: 'local-nat', nat });
    this.#natListeners.notify(nat);
  }

  /** @internal For the endpoint. */
  portSampled(sample: number, address: TransportAddress): void {
    this.#input({ kind: 'port-sample', sample, address });
  }

  /** @internal For the endpoint. */
  gatheringComplete(): void {
    this.#input({ kind: 'gathering-complete' });
  }

  /** @internal For the endpoint. */
  baseLost(base: CandidateBase): void {
    this.#input({ kind: 'base-lost', base });
  }

  /** @internal For the endpoint. */
  relayRefused(base: CandidateBase, peer: TransportAddress): void {
    this.#input({ kind: 'relay-refused', base, peer });
  }

  /** @internal For the endpoint. */
  handleTimeout(now: Instant): void {
    this.#perform(this.#agent.handleTimeout(now));
  }

  /** @internal For the endpoint. */
  nextTimeoutAt(): Instant | undefined {
    return this.#agent.nextTimeoutAt();
  }

  #input(input: IceInput): void {
    this.#perform(this.#agent.handle(input, this.#carrier.now()));
    this.#carrier.rearm();
  }

  #perform(outputs: readonly IceOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'send':
          this.#carrier.transmit(output.base, output.to, output.bytes);
          break;
        case 'permit':
          this.#carrier.permit(this, output.peer);
          break;
        case 'open-sockets':
          this.#carrier.hardNat.openSockets(this, output.bases);
          break;
        case 'close-sockets':
          this.#carrier.hardNat.closeSockets(output.bases);
          break;
        case 'sample-port':
          this.#carrier.hardNat.samplePort(this, output.sample);
          break;
        case 'ports-used-up':
          this.#portListeners.notify();
          break;
        case 'suspect':
          this.#carrier.askServers();
          break;
        case 'local-candidate':
          this.#candidateListeners.notify(output.candidate);
          break;
        case 'path':
          this.#bindChannel();
          if (output.path.kind === 'relayed') this.#carrier.relayed();
          this.#pathListeners.notify(output.path);
          break;
        case 'state':
          this.#stateListeners.notify({ from: output.from, to: output.to, cause: output.cause });
          break;
        case 'failed':
          this.#failedListeners.notify(output.cause);
          break;
        case 'path-lost':
          this.#pathLostListeners.notify(output.cause);
          break;
        case 'drop':
          break; // Counted by the agent, see `stats`.
      }
    }
  }

  /** A path through our own relay gets a channel: four bytes of framing in place of 36. */
  #bindChannel(): void {
    const [route] = this.#agent.routes(this.#carrier.now());
    if (route?.base.kind === 'relay' && route.base.isNative !== true) this.#carrier.bindChannel(route.to);
  }
}
