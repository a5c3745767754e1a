import type { NatCrypto } from '../../crypto/crypto.port.ts';
import {
  describeCandidate,
  type CandidateBase,
  type CandidateKind,
  type LocalCandidate,
} from '../../ice/candidate.ts';
import { FoundationTable } from '../../ice/candidate-foundation.ts';
import { candidatePriority, MAPPED_PRIORITY, MAX_LOCAL_PREFERENCE } from '../../ice/candidate-priority.ts';
import { scopeOf } from '../../ice/remote-candidate-policy.ts';
import {
  formatTransportAddress,
  sameTransportAddress,
  type AddressFamily,
  type TransportAddress,
} from '../../net/transport-address.ts';
import type { StunMessage } from '../../stun/message.ts';
import { after, earliest, type Instant } from '../../time/instant.ts';
import type { EndpointServers, GatherReport, RelayReport } from './endpoint-types.ts';
import { hostAddresses, type HostAddress } from './host-addresses.ts';
import { isReachableClaim } from './mapped-address.ts';
import { NetworkWatch } from './network-watch.ts';
import type { RelayPurpose } from './relay-set.ts';
import type { AllocatedRelay } from './relay-transports.ts';
import { ServerQuery } from './server-query.ts';
import type { EndpointSocket } from './endpoint-socket.ts';

/** Several paths may ask at the same time, and a suspect one does so often. */
const ASK_GAP_MS = 2000;
/** Through a stream data waits behind what was lost before it: the last of all candidates. */
const STREAM_RELAY_PREFERENCE = MAX_LOCAL_PREFERENCE >> 1;
/** Only for when the supernode of the others dies: two relays are on the way then. */
const BACKUP_RELAY_PREFERENCE = 0;

export interface GatheringOptions {
  readonly crypto: NatCrypto;
  readonly includeLoopback: boolean;
  readonly maxHostCandidates: number;
  onCandidate(candidate: LocalCandidate): void;
  /** The host has other addresses than before. */
  onNetworkChange(): void;
  /** Every server answered or gave up its first attempt. */
  onSettled(): void;
}

/** Candidates of the endpoint and the servers that are asked for them. */
export class CandidateGathering {
  readonly #options: GatheringOptions;
  readonly #sockets: ReadonlyMap<AddressFamily, EndpointSocket>;
  readonly #foundations = new FoundationTable();
  #candidates: LocalCandidate[] = [];
  #queries: ServerQuery[] = [];
  /** What a gateway says, and the candidate that came of it. */
  #mappedAddress: TransportAddress | undefined;
  #mapped: LocalCandidate | undefined;
  #relayReport: RelayReport | undefined;
  #isRelayAwaited = false;
  #isStarted = false;
  #askedAt: Instant | undefined;
  readonly #network: NetworkWatch;

  constructor(sockets: ReadonlyMap<AddressFamily, EndpointSocket>, options: GatheringOptions) {
    this.#sockets = sockets;
    this.#options = options;
    this.#network = new NetworkWatch(
      () => this.#hosts().map(({ address }) => address),
      () => {
        options.onNetworkChange();
      },
    );
  }

  get candidates(): readonly LocalCandidate[] {
    return this.#candidates;
  }

  get isSettled(): boolean {
    return this.#isStarted && !this.#isRelayAwaited && this.#queries.every(({ isSettled }) => isSettled);
  }

  get report(): GatherReport {
    const reflexive = this.#queries.map((query) => query.report());
    const candidates = this.#candidates.map(describeCandidate);
    return this.#relayReport === undefined
      ? { candidates, reflexive }
      : { candidates, reflexive, relay: this.#relayReport };
  }

  /** The relay is asked too: its query keeps the mapping towards it alive. */
  setServers(servers: EndpointServers): void {
    this.#queries = [];
    this.#isRelayAwaited = false;
    this.#relayReport = undefined;
    this.#candidates = this.#candidates.filter(
      (known) => known.kind === 'host' || known.kind === 'relayed' || known === this.#mapped,
    );
    const targets = new Map<string, TransportAddress>();
    for (const server of [
      ...servers.stun,
      ...(servers.turn?.server === undefined ? [] : [servers.turn.server]),
    ]) {
      targets.set(formatTransportAddress(server), server);
    }
    for (const server of targets.values()) {
      const socket = this.#sockets.get(server.family);
      if (socket === undefined) continue;
      const query = new ServerQuery(server, socket, this.#options.crypto, {
        mapped: (asking, asked, address) => {
          this.#addReflexive(asking, asked, address);
        },
        settled: () => {
          this.#settle();
        },
      });
      this.#queries.push(query);
    }
  }

  /** Strangers reach the socket, by what the gateway says. */
  get isMapped(): boolean {
    const address = this.#mappedAddress;
    return (
      address !== undefined && this.#candidates.some((known) => sameTransportAddress(known.address, address))
    );
  }

  /** Where a gateway says that the socket can be reached; told when that can be. Undefined: no longer. */
  setMapped(address: TransportAddress | undefined): void {
    this.#mappedAddress = address;
    this.#candidates = this.#candidates.filter((known) => known !== this.#mapped);
    this.#mapped = undefined;
    this.#considerMapped();
  }

  start(now: Instant): void {
    this.#isStarted = true;
    this.#askedAt = now;
    this.#network.start(now);
    for (const { address, localPreference } of this.#hosts()) {
      const socket = this.#sockets.get(address.family);
      if (socket !== undefined) this.#add('host', address, socket.base, localPreference, address.address);
    }
    for (const query of this.#queries) query.start(now);
  }

  /** The network may be another one: its addresses and mappings now, not at the next keepalive. */
  askAgain(now: Instant): void {
    if (!this.#isStarted || (this.#askedAt !== undefined && now < after(this.#askedAt, ASK_GAP_MS))) return;
    this.start(now);
  }

  relayAwaited(): void {
    this.#isRelayAwaited = true;
  }

  /** There will be no allocation now. */
  relayUnneeded(): void {
    if (!this.#isRelayAwaited) return;
    this.#isRelayAwaited = false;
    this.#settle();
  }

  relayAllocated(
    { base, server, transport, relayed, reflexive, rttMs }: AllocatedRelay,
    purpose: RelayPurpose = 'main',
  ): void {
    const socket = this.#sockets.get(server.family);
    if (socket !== undefined && reflexive !== undefined) this.#addReflexive(socket, server, reflexive);
    const localPreference = transport === 'udp' ? MAX_LOCAL_PREFERENCE : STREAM_RELAY_PREFERENCE;
    if (purpose !== 'main') {
      this.#add('relayed', relayed, base, BACKUP_RELAY_PREFERENCE, base.id, server);
      return;
    }
    this.#add('relayed', relayed, base, localPreference, base.id, server);
    this.#relayReport = { server, transport, address: relayed, rttMs };
    this.#isRelayAwaited = false;
    this.#settle();
  }

  /** Without a base there was no allocation. The report stays with another allocation where there is one. */
  relayLost(base: CandidateBase | undefined, server: TransportAddress | undefined, error: string): void {
    this.removeBase(base);
    if (this.#candidates.some(({ kind }) => kind === 'relayed')) return;
    this.#relayReport = { ...(server === undefined ? {} : { server }), error };
    this.#isRelayAwaited = false;
    this.#settle();
  }

  removeBase(base: CandidateBase | undefined): void {
    this.#candidates = this.#candidates.filter((candidate) => candidate.base.id !== base?.id);
  }

  /** False: nobody here asked. */
  receive(message: StunMessage, now: Instant): boolean {
    const query = this.#queries.find((candidate) => candidate.owns(message.transactionId));
    query?.receive(message, now);
    return query !== undefined;
  }

  handleTimeout(now: Instant): void {
    for (const query of this.#queries) query.handleTimeout(now);
    const lookAt = this.#network.nextTimeoutAt();
    if (lookAt !== undefined && lookAt <= now) this.#network.handleTimeout(now);
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(this.#network.nextTimeoutAt(), ...this.#queries.map((query) => query.nextTimeoutAt()));
  }

  #settle(): void {
    if (this.isSettled) this.#options.onSettled();
  }

  /** A socket that is bound to one address has that one only. */
  #hosts(): readonly HostAddress[] {
    const { includeLoopback, maxHostCandidates: limit } = this.#options;
    const bound: HostAddress[] = [];
    for (const { boundAddress: address } of this.#sockets.values()) {
      if (scopeOf(address) !== 'unspecified')
        bound.push({ address, localPreference: MAX_LOCAL_PREFERENCE - bound.length });
    }
    const found = hostAddresses(
      (family) => {
        const address = this.#sockets.get(family)?.boundAddress;
        return address !== undefined && scopeOf(address) === 'unspecified' ? address.port : undefined;
      },
      { includeLoopback, limit },
    );
    return [...bound, ...found].slice(0, limit);
  }

  /** A new mapping at the same server replaces the one before. */
  #addReflexive(
    { base, boundAddress }: EndpointSocket,
    server: TransportAddress,
    address: TransportAddress,
  ): void {
    const foundation = this.#foundations.of({
      kind: 'serverReflexive',
      baseAddress: boundAddress.address,
      server: server.address,
    });
    this.#candidates = this.#candidates.filter(
      (known) =>
        known.foundation !== foundation ||
        known.base.id !== base.id ||
        sameTransportAddress(known.address, address),
    );
    this.#add('serverReflexive', address, base, MAX_LOCAL_PREFERENCE, boundAddress.address, server);
    this.#considerMapped();
  }

  #considerMapped(): void {
    const address = this.#mappedAddress;
    const socket = address === undefined ? undefined : this.#sockets.get(address.family);
    if (address === undefined || socket === undefined || this.#mapped !== undefined) return;
    const reflexive = this.#candidates.filter(({ kind }) => kind === 'serverReflexive');
    if (
      !isReachableClaim(
        address,
        reflexive.map((known) => known.address),
      )
    )
      return;
    const { base, boundAddress } = socket;
    const foundation = this.#foundations.of({
      kind: 'serverReflexive',
      baseAddress: boundAddress.address,
      server: 'gateway',
    });
    const candidate: LocalCandidate = {
      kind: 'serverReflexive',
      address,
      base,
      priority: MAPPED_PRIORITY,
      foundation,
    };
    if (this.#tell(candidate)) this.#mapped = candidate;
  }

  #add(
    kind: CandidateKind,
    address: TransportAddress,
    base: CandidateBase,
    localPreference: number,
    baseAddress: string,
    server?: TransportAddress,
  ): void {
    this.#tell({
      kind,
      address,
      base,
      priority: candidatePriority(kind, localPreference),
      foundation: this.#foundations.of({
        kind,
        baseAddress,
        ...(server === undefined ? {} : { server: server.address }),
      }),
    });
  }

  /** False: it was known. */
  #tell(candidate: LocalCandidate): boolean {
    const { base, address } = candidate;
    const isKnown = this.#candidates.some(
      (known) => known.base.id === base.id && sameTransportAddress(known.address, address),
    );
    if (isKnown) return false;
    this.#candidates.push(candidate);
    this.#options.onCandidate(candidate);
    return true;
  }
}
