import { performance } from 'node:perf_hooks';
import { NatError } from '../errors.ts';
import {
  describeCandidate,
  type CandidateBase,
  type IceCandidate,
  type LocalCandidate,
} from '../ice/candidate.ts';
import { looksLikeFlowFrame } from '../flow/flow-frame.ts';
import { decodeCheckUsername } from '../ice/connectivity-check.ts';
import { NATIVE_RELAY_ADDRESS } from '../ice/native-relay.ts';
import type { NatReport } from '../ice/remote-network.ts';
import type { AddressFamily, TransportAddress } from '../net/transport-address.ts';
import { decodeStunMessage, looksLikeStun } from '../stun/message.ts';
import { after, earliest, instant, type Instant } from '../time/instant.ts';
import { CandidateGathering } from './endpoint/candidate-gathering.ts';
import type {
  CreatePathOptions,
  EndpointServers,
  EndpointStats,
  GatherReport,
  RenewedCredential,
  TurnServer,
  UdpEndpointOptions,
} from './endpoint/endpoint-types.ts';
import { EndpointTimer } from './endpoint/endpoint-timer.ts';
import { FlowLink } from './endpoint/flow-link.ts';
import { GatherWaiters } from './endpoint/gather-waiters.ts';
import { HardNatSupport } from './endpoint/hard-nat-support.ts';
import { IcePath, type PathCarrier } from './endpoint/ice-path.ts';
import { Listeners } from './endpoint/listeners.ts';
import { PeerAdmissions } from './endpoint/peer-admissions.ts';
import type { EndpointFlow } from './endpoint/registered-flow.ts';
import { sumTraffic } from './endpoint/traffic-count.ts';
import { RelaySet, type RelayPurpose } from './endpoint/relay-set.ts';
import { RelayTransports } from './endpoint/relay-transports.ts';
import { openSockets } from './endpoint/open-sockets.ts';
import type { EndpointSocket } from './endpoint/endpoint-socket.ts';

const GATHER_TIMEOUT_MS = 3000;
const MAX_HOST_CANDIDATES = 8;

/**
 * One UDP socket per address family for everything of an edge client (DESIGN 6.3): STUN, the relay, all sessions. It
 * gathers candidates, tells the datagrams apart, performs what the cores say and keeps one timer armed for all of them.
 */
export class UdpEndpoint {
  readonly #options: UdpEndpointOptions;
  readonly #sockets = new Map<AddressFamily, EndpointSocket>();
  readonly #gathering: CandidateGathering;
  readonly #carrier: PathCarrier;
  readonly #hardNat: HardNatSupport;
  readonly #candidateListeners = new Listeners<[candidate: IceCandidate]>();
  readonly #paths = new Map<string, IcePath>();
  readonly #admissions = new PeerAdmissions();
  readonly #drops = new Map<string, number>();
  readonly #drop = (reason: string): void => {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
  };
  /** Of paths that are closed. */
  #formerTraffic = sumTraffic([]);
  readonly #flow: FlowLink;
  readonly #relays: RelaySet;
  #relayCount = 0;
  #turn: EndpointServers['turn'];
  #renewCredential: EndpointServers['renewCredential'];
  readonly #waiters = new GatherWaiters();
  readonly #timer: EndpointTimer;
  #isClosed = false;

  private constructor(options: UdpEndpointOptions) {
    this.#options = options;
    this.#timer = new EndpointTimer(
      () => this.#now(),
      () => this.#handleTimeout(),
    );
    this.#relays = new RelaySet({
      create: (turn, purposeNow) => this.#newRelay(turn, purposeNow),
      isUsed: (bases) => [...this.#paths.values()].some((path) => path.isOn(bases)),
      isAnyPathRelayed: () => this.#relayedPaths > 0,
      admitted: () => this.#admissions.peers(),
      closed: (bases) => {
        for (const base of bases) this.#loseRelayBase(base);
      },
    });
    this.#gathering = new CandidateGathering(this.#sockets, {
      crypto: options.crypto,
      includeLoopback: options.includeLoopback ?? false,
      maxHostCandidates: options.maxHostCandidates ?? MAX_HOST_CANDIDATES,
      onCandidate: (candidate) => this.#announce(candidate),
      onNetworkChange: () => {
        this.#carrier.askServers();
      },
      onSettled: () => this.#gathered(),
    });
    this.#flow = new FlowLink(this.#sockets, options.crypto, {
      registered: () => {
        this.#log('flow-registered');
        this.#relays.main?.udpAnswered(this.#now());
        if (!this.#relays.isMainStarted) this.#gathering.relayUnneeded();
      },
      silent: () => {
        this.#log('flow-silent');
        this.#startRelay();
      },
      data: (base, bytes) => this.#dispatch(base, NATIVE_RELAY_ADDRESS, bytes),
      drop: this.#drop,
    });
    this.#hardNat = new HardNatSupport(this.#sockets, options.crypto, {
      now: () => this.#now(),
      paths: () => this.#paths.values(),
      onDatagram: (base, from, bytes) => {
        if (!this.#isClosed) this.#dispatch(base, from, bytes);
      },
      drop: this.#drop,
      rearm: () => this.#rearm(),
    });
    this.#carrier = {
      crypto: options.crypto,
      hardNat: this.#hardNat,
      now: () => this.#now(),
      transmit: (base, to, bytes) => {
        this.#transmit(base, to, bytes);
      },
      permit: (path, peer) => {
        if (this.#admissions.add(peer, path)) this.#relays.permit(peer, this.#now());
      },
      askServers: () => {
        this.#gathering.askAgain(this.#now());
        this.#flow.refresh(this.#now());
        this.#relays.verify(this.#now());
      },
      bindChannel: (peer) => this.#relays.bindChannel(peer, this.#now()),
      relayed: () => {
        this.#relays.pathRelayed(this.#now());
      },
      addNativeRelay: (path, id) => this.#flow.addRelay(path, id),
      rearm: (at) => {
        if (at === undefined || this.#timer.isAfter(at)) this.#rearm();
      },
      remove: (path) => {
        this.#remove(path);
      },
    };
  }

  /** @throws NatError `NAT_BIND_FAILED` */
  static async open(options: UdpEndpointOptions): Promise<UdpEndpoint> {
    const endpoint = new UdpEndpoint(options);
    await endpoint.#bind();
    return endpoint;
  }

  /** One per address family. */
  get boundAddresses(): readonly TransportAddress[] {
    return [...this.#sockets.values()].map(({ boundAddress }) => boundAddress);
  }

  /** Whom to ask for candidates; the next {@link gather} does. An allocation at another server is given back. */
  setServers(servers: EndpointServers): void {
    this.#requireOpen();
    this.#gathering.setServers(servers);
    this.#hardNat.setServers(servers.stun);
    this.#renewCredential = servers.renewCredential;
    this.#turn = servers.turn;
    this.setBackups(servers.backups ?? []);
  }

  /**
   * Other supernodes to fall back on than before, with the newest credential; what was asked of the servers stays as it is. Without a
   * credential that of the servers serves, which may be over by then.
   */
  setBackups(backups: readonly TransportAddress[], credential?: RenewedCredential): void {
    this.#requireOpen();
    const main = (this.#turn &&= { ...this.#turn, ...credential });
    this.#relays.set(
      { main, backups: main ? backups.map((server) => ({ ...main, server, streams: [] })) : [] },
      this.#now(),
    );
    this.#rearm();
  }

  /**
   * Registers the sockets at a supernode: paths get native relays then, and the TURN server is asked for an allocation only
   * where nobody answers, or by {@link allocateRelay}. Before {@link gather}. The same flow again looks whether it still stands.
   */
  setFlow(flow: EndpointFlow | undefined): void {
    this.#requireOpen();
    this.#flow.set(flow, this.#now());
    this.#rearm();
  }

  /** Where a gateway says that our socket can be reached from outside: a candidate when it can be true. Undefined: no longer. */
  setMappedAddress(address: TransportAddress | undefined): void {
    this.#requireOpen();
    this.#gathering.setMapped(address);
    this.#hardNat.setReachable(this.#gathering.isMapped);
  }

  /** Where the supernode sees our sockets, by their registered flow. */
  get observedAddresses(): readonly TransportAddress[] {
    return this.#flow.observed;
  }

  /** Asks the TURN server for an allocation though there is a registered flow: the peer has none. */
  allocateRelay(): void {
    this.#requireOpen();
    this.#startRelay();
    this.#rearm();
  }

  /** Host candidates at once; resolves when all servers answered or gave up, at the latest after `timeoutMs` (default 3000). */
  gather(options: { readonly timeoutMs?: number } = {}): Promise<GatherReport> {
    this.#requireOpen();
    const now = this.#now();
    const report = this.#waiters.add(after(now, options.timeoutMs ?? GATHER_TIMEOUT_MS));
    if (!this.#flow.isHopeful) this.#startRelay();
    else if (!this.#flow.isRegistered) {
      this.#gathering.relayAwaited();
      this.#relays.main?.prepare(now);
    }
    this.#gathering.start(now);
    this.#hardNat.start(this.#gathering.candidates);
    if (this.#gathering.isSettled) this.#gathered();
    this.#rearm();
    return report;
  }

  /**
   * What is known of the NAT in front of the IPv4 socket, for an offer or an answer. Where its ports can be predicted one is
   * sampled first: a round trip to the server, 400 ms at most.
   */
  freshNat(): Promise<NatReport | undefined> {
    return this.#hardNat.fresh();
  }

  /** Every candidate when it becomes known, whatever the policy of a path. */
  onCandidate(listener: (candidate: IceCandidate) => void): () => void {
    return this.#candidateListeners.add(listener);
  }

  /** @throws NatError `NAT_INVALID_ARGUMENT` for a data key that another path has */
  createPath(options: CreatePathOptions): IcePath {
    this.#requireOpen();
    if (this.#paths.has(options.dataKey)) {
      throw new NatError('NAT_INVALID_ARGUMENT', 'Another path of this endpoint has this data key.');
    }
    const path = new IcePath(this.#carrier, options);
    this.#paths.set(options.dataKey, path);
    for (const candidate of this.#gathering.candidates) path.addLocalCandidate(candidate);
    if (this.#gathering.isSettled) path.gatheringComplete();
    return path;
  }

  stats(): EndpointStats {
    const { direct, relay } = sumTraffic([
      this.#formerTraffic,
      ...[...this.#paths.values()].map((path) => path.stats()),
    ]);
    const { size: paths } = this.#paths;
    return { direct, relay, drops: Object.fromEntries(this.#drops), paths, relayedPaths: this.#relayedPaths };
  }

  /** Closes all paths, gives the allocation back, closes the sockets. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    for (const path of [...this.#paths.values()]) path.close();
    this.#relays.close(this.#now());
    this.#isClosed = true;
    this.#timer.close();
    this.#waiters.resolve(this.#gathering.report);
    this.#candidateListeners.clear();
    await Promise.all([
      this.#hardNat.close(),
      ...[...this.#sockets.values()].map((socket) => socket.close()),
    ]);
  }

  get #relayedPaths(): number {
    return [...this.#paths.values()].filter(({ current }) => current?.kind === 'relayed').length;
  }

  async #bind(): Promise<void> {
    const sockets = await openSockets(this.#options.bind ?? {}, {
      onDatagram: (base, bytes, from) => {
        this.#receive(base, bytes, from);
      },
      onSendError: (code) => {
        this.#drop(`send-${code}`);
      },
    });
    for (const socket of sockets) this.#sockets.set(socket.base.family, socket);
  }

  #receive(base: CandidateBase, bytes: Uint8Array, from: TransportAddress): void {
    if (this.#isClosed) return;
    if (looksLikeFlowFrame(bytes)) {
      if (this.#flow.receive(bytes, from, this.#now())) this.#rearm();
      return;
    }
    if (this.#relays.receive(bytes, from, this.#now())) {
      this.#timer.armAt(this.#relays.nextTimeoutAt());
      return;
    }
    this.#dispatch(base, from, bytes);
  }

  /** RFC 7983 and 9443: STUN by its cookie, the rest is the sessions'. */
  #dispatch(base: CandidateBase, from: TransportAddress, bytes: Uint8Array): void {
    if (looksLikeStun(bytes)) {
      this.#dispatchStun(base, from, bytes);
      return;
    }
    const key = this.#options.demultiplex(bytes);
    const path = key === undefined ? undefined : this.#paths.get(key);
    if (path === undefined) this.#drop('no-path-for-data');
    else path.receiveData(base, from, bytes);
  }

  #dispatchStun(base: CandidateBase, from: TransportAddress, bytes: Uint8Array): void {
    const decoded = decodeStunMessage(bytes);
    if (!decoded.ok) {
      this.#drop('stun-malformed');
      return;
    }
    const { message } = decoded;
    if (message.messageClass === 'indication') return;
    if (message.messageClass === 'request') {
      const ufrag = decodeCheckUsername(message)?.receiver;
      const path =
        ufrag === undefined ? undefined : this.#findPath((candidate) => candidate.answersTo(ufrag));
      if (path === undefined) this.#drop('stun-unknown-ufrag');
      else path.receiveCheck(base, from, bytes);
      return;
    }
    const isServers =
      base.kind === 'socket' &&
      (this.#gathering.receive(message, this.#now()) || this.#hardNat.receive(message, from));
    if (isServers) {
      this.#rearm();
      return;
    }
    const path = this.#findPath((candidate) => candidate.ownsTransaction(message.transactionId));
    if (path === undefined) this.#drop('stun-unknown-transaction');
    else path.receiveCheck(base, from, bytes);
  }

  #findPath(matches: (path: IcePath) => boolean): IcePath | undefined {
    for (const path of this.#paths.values()) if (matches(path)) return path;
    return undefined;
  }

  #transmit(base: CandidateBase, to: TransportAddress, bytes: Uint8Array): void {
    if (this.#isClosed || this.#hardNat.transmit(base, to, bytes)) return;
    if (base.kind === 'socket') this.#sockets.get(base.family)?.send(bytes, to);
    else if (base.isNative === true) this.#flow.transmit(base, bytes);
    else if (!this.#relays.transmit(base, to, bytes)) this.#drop('relay-gone');
  }

  #remove(path: IcePath): void {
    this.#flow.removePath(path);
    this.#formerTraffic = sumTraffic([this.#formerTraffic, path.stats()]);
    this.#paths.delete(path.dataKey);
    for (const peer of this.#admissions.removePath(path)) this.#relays.release(peer, this.#now());
  }

  #startRelay(): void {
    if (this.#relays.main === undefined) this.#gathering.relayUnneeded();
    if (this.#relays.isMainStarted) return;
    if (this.#relays.main !== undefined) this.#gathering.relayAwaited();
    this.#relays.startMain(this.#now());
  }

  #newRelay(turn: TurnServer, purposeNow: () => RelayPurpose): RelayTransports {
    this.#relayCount += 1;
    return new RelayTransports({
      name: `relay-${this.#relayCount}`,
      turn,
      crypto: this.#options.crypto,
      renewCredential: this.#renewCredential,
      events: {
        sendUdp: (server, bytes) => {
          this.#sockets.get(server.family)?.send(bytes, server);
        },
        allocated: (relay) => {
          this.#log('relay-allocated', { transport: relay.transport });
          // An allocation that was lost and is there again knows nobody any more.
          for (const peer of this.#admissions.peers()) this.#relays.permit(peer, this.#now());
          this.#gathering.relayAllocated(relay, purposeNow());
        },
        lost: (base, server, code) => {
          this.#log('relay-lost', { code });
          this.#loseRelayBase(base);
          this.#gathering.relayLost(base, server, code);
        },
        data: (base, peer, bytes) => {
          this.#dispatch(base, peer, bytes);
        },
        peerRefused: (base, peer) => {
          for (const path of this.#paths.values()) path.relayRefused(base, peer);
        },
        drop: this.#drop,
        log: (event, fields) => {
          this.#log(event, fields);
        },
        now: () => this.#now(),
        rearm: () => {
          this.#rearm();
        },
      },
    });
  }

  #loseRelayBase(base: CandidateBase | undefined): void {
    if (base === undefined) return;
    this.#gathering.removeBase(base);
    if (this.#relays.bases.length === 0) this.#admissions.clear();
    for (const path of this.#paths.values()) path.baseLost(base);
  }

  #announce(candidate: LocalCandidate): void {
    // Another mapping than before: this may be another network.
    if (candidate.kind === 'serverReflexive' && this.#gathering.isSettled)
      this.#hardNat.start(this.#gathering.candidates);
    this.#hardNat.setReachable(this.#gathering.isMapped);
    for (const path of this.#paths.values()) path.addLocalCandidate(candidate);
    this.#candidateListeners.notify(describeCandidate(candidate));
  }

  #gathered(): void {
    for (const path of this.#paths.values()) path.gatheringComplete();
    this.#waiters.resolve(this.#gathering.report);
  }

  /** Everything that waits for a time. */
  #timed() {
    return [this.#gathering, this.#hardNat, this.#flow, this.#relays, ...this.#paths.values()];
  }

  #handleTimeout(): void {
    const now = this.#now();
    for (const core of this.#timed()) if (isDue(core.nextTimeoutAt(), now)) core.handleTimeout(now);
    if (isDue(this.#waiters.nextDeadline, now)) this.#gathered();
    this.#rearm();
  }

  #rearm(): void {
    if (this.#isClosed) return;
    const dueAt = this.#timed().map((core) => core.nextTimeoutAt());
    this.#timer.armAt(earliest(this.#waiters.nextDeadline, ...dueAt));
  }

  #now(): Instant {
    return this.#options.clock?.now() ?? instant(performance.now());
  }

  #log(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#options.onLog?.({ event, ...fields });
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new NatError('NAT_SOCKET_CLOSED', 'The UDP endpoint is closed.');
  }
}

function isDue(at: Instant | undefined, now: Instant): boolean {
  return at !== undefined && at <= now;
}
