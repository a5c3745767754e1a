import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { CandidateBase } from '../../ice/candidate.ts';
import {
  sameTransportAddress,
  transportAddressKey,
  type TransportAddress,
} from '../../net/transport-address.ts';
import { after, earliest, type Instant } from '../../time/instant.ts';
import type { RelayTransport, RenewedCredential, TurnServer } from './endpoint-types.ts';
import { StreamRelay } from './stream-relay.ts';
import { TurnRelay, type TurnRelayEvents } from './turn-relay.ts';

export interface AllocatedRelay {
  readonly base: CandidateBase;
  readonly server: TransportAddress;
  readonly transport: RelayTransport;
  readonly relayed: TransportAddress;
  /** Where the server sees our UDP socket; over a stream it saw none. */
  readonly reflexive: TransportAddress | undefined;
  readonly rttMs: number;
}

export interface RelayTransportsEvents extends Omit<TurnRelayEvents, 'send' | 'allocated' | 'lost'> {
  sendUdp(server: TransportAddress, bytes: Uint8Array): void;
  allocated(relay: AllocatedRelay): void;
  /** With a base: it is gone. Without: no transport gave an allocation so far. Other attempts follow by themselves. */
  lost(base: CandidateBase | undefined, server: TransportAddress | undefined, code: string): void;
}

export interface RelayTransportsOptions {
  /** Begins the ids of its bases: every relay of an endpoint has another one. */
  readonly name: string;
  readonly turn: TurnServer;
  readonly crypto: NatCrypto;
  readonly renewCredential: (() => Promise<RenewedCredential>) | undefined;
  readonly events: RelayTransportsEvents;
}

/** UDP may take so long before a stream is tried beside it. */
const HEAD_START_MS = 300;
/** The same for an allocation that worked so far and is in doubt. */
const DOUBT_MS = 1000;
/** UDP works again: how long the allocation over a stream is kept, so that paths can move. */
const LINGER_MS = 5_000;
/** At least between two attempts over UDP that something else asks for. */
const RETRY_GAP_MS = 5000;

interface RelayedPeer {
  readonly peer: TransportAddress;
  hasChannel: boolean;
}

/**
 * The relay of an endpoint over whatever transport works: UDP, and where that gives no answer a stream over TLS or TCP beside
 * it. UDP is asked again and again; once it works the stream is given back.
 */
export class RelayTransports {
  readonly #options: RelayTransportsOptions;
  readonly #events: RelayTransportsEvents;
  readonly #udp: TurnRelay | undefined;
  /** By address and port, whom every allocation must admit. */
  readonly #peers = new Map<string, RelayedPeer>();
  #credential: RenewedCredential;
  #stream: StreamRelay | undefined;
  #isUdpStarted = false;
  #udpTriedAt: Instant | undefined;
  #openStreamAt: Instant | undefined;
  #closeStreamAt: Instant | undefined;
  /** What was tried since the last allocation and gave none. */
  readonly #failed = new Set<'udp' | 'stream'>();

  constructor(options: RelayTransportsOptions) {
    this.#options = options;
    this.#events = options.events;
    this.#credential = options.turn;
    this.#udp = options.turn.server === undefined ? undefined : this.#newUdp(options.turn.server);
  }

  /** Of every allocation there is now. */
  get bases(): readonly CandidateBase[] {
    return [this.#udp?.base, this.#stream?.base].filter((base) => base !== undefined);
  }

  /** Whether these servers are the ones in use: only the credential may be another. */
  isAt({ server, streams }: TurnServer): boolean {
    const { server: ours, streams: ourStreams } = this.#options.turn;
    const isSameUdp = server && ours ? sameTransportAddress(server, ours) : server === ours;
    return isSameUdp && JSON.stringify(streams ?? []) === JSON.stringify(ourStreams ?? []);
  }

  /** Something else of the server is asked over UDP now: a stream is tried where that gives no answer soon. */
  prepare(now: Instant): void {
    this.#openStreamAt ??= after(now, HEAD_START_MS);
  }

  /** Something else of the server answers over UDP. */
  udpAnswered(now: Instant): void {
    if (!this.#isUdpStarted || this.#udp?.base !== undefined) this.#udpWorks(now);
  }

  start(now: Instant): void {
    this.#isUdpStarted = true;
    this.#udpTriedAt = now;
    this.#openStreamAt ??= this.#udp === undefined ? now : after(now, HEAD_START_MS);
    this.#udp?.start(now);
  }

  /** False: not for the allocation. */
  receive(bytes: Uint8Array, from: TransportAddress, now: Instant): boolean {
    const udp = this.#udp;
    if (udp === undefined || !sameTransportAddress(from, udp.server) || !udp.receive(bytes, now))
      return false;
    // Also the challenge before the allocation: the way is open.
    this.#openStreamAt = undefined;
    if (udp.base !== undefined) this.#udpWorks(now);
    return true;
  }

  replaceCredential(credential: RenewedCredential, now: Instant): void {
    this.#credential = credential;
    this.#udp?.replaceCredential(credential, now);
    this.#stream?.relay?.replaceCredential(credential, now);
  }

  /** A path is in doubt, or the network is another one: does the allocation still exist, does UDP work again? */
  verify(now: Instant): void {
    this.#stream?.relay?.verify(now);
    const udp = this.#udp;
    if (udp === undefined || !this.#isUdpStarted) return;
    if (udp.base !== undefined) {
      if (udp.verify(now)) this.#openStreamAt ??= after(now, DOUBT_MS);
    } else if (this.#udpTriedAt === undefined || now >= after(this.#udpTriedAt, RETRY_GAP_MS)) {
      this.#udpTriedAt = now;
      udp.tryAgain(now);
    }
  }

  permit(peer: TransportAddress, now: Instant): void {
    this.#remember(peer);
    for (const relay of this.#allocated()) relay.permit(peer, now);
  }

  bindChannel(peer: TransportAddress, now: Instant): void {
    this.#remember(peer).hasChannel = true;
    for (const relay of this.#allocated()) relay.bindChannel(peer, now);
  }

  release(peer: TransportAddress, now: Instant): void {
    this.#peers.delete(transportAddressKey(peer));
    for (const relay of this.#allocated()) relay.release(peer, now);
  }

  /** False: there is no such allocation any more. */
  transmit(base: CandidateBase, peer: TransportAddress, bytes: Uint8Array): boolean {
    const relay = this.#allocated().find((candidate) => candidate.base?.id === base.id);
    relay?.transmit(peer, bytes);
    return relay !== undefined;
  }

  handleTimeout(now: Instant): void {
    if (isDue(this.#openStreamAt, now)) {
      this.#openStreamAt = undefined;
      this.#openStream();
    }
    if (isDue(this.#closeStreamAt, now)) this.#closeStream(now);
    this.#udp?.handleTimeout(now);
    this.#stream?.handleTimeout(now);
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(
      this.#openStreamAt,
      this.#closeStreamAt,
      this.#udp?.nextTimeoutAt(),
      this.#stream?.nextTimeoutAt(),
    );
  }

  /** Gives all allocations back; no answer is awaited. */
  close(now: Instant): void {
    this.#udp?.close(now);
    this.#stream?.close(now);
    this.#stream = undefined;
    this.#openStreamAt = undefined;
    this.#closeStreamAt = undefined;
  }

  #allocated(): readonly TurnRelay[] {
    return [this.#udp, this.#stream?.relay].filter((relay) => relay?.base !== undefined) as TurnRelay[];
  }

  #remember(peer: TransportAddress): RelayedPeer {
    const key = transportAddressKey(peer);
    const known = this.#peers.get(key) ?? { peer, hasChannel: false };
    this.#peers.set(key, known);
    return known;
  }

  /** Who was admitted before is admitted by a further allocation too. */
  #admitTo(relay: TurnRelay | undefined): void {
    const now = this.#events.now();
    for (const { peer, hasChannel } of this.#peers.values()) {
      if (hasChannel) relay?.bindChannel(peer, now);
      else relay?.permit(peer, now);
    }
  }

  #newUdp(server: TransportAddress): TurnRelay {
    const { turn, crypto, renewCredential, events } = this.#options;
    const relay = new TurnRelay({
      name: this.#options.name,
      turn: { ...turn, server },
      crypto,
      renewCredential,
      events: {
        ...events,
        send: (bytes) => {
          events.sendUdp(server, bytes);
        },
        allocated: (base, relayed, reflexive, rttMs) => {
          this.#failed.clear();
          this.#admitTo(relay);
          events.allocated({ base, server, transport: 'udp', relayed, reflexive, rttMs });
          this.#udpWorks(events.now());
        },
        lost: (base, code) => {
          this.#closeStreamAt = undefined;
          if (code === 'NAT_TURN_TIMEOUT') this.#openStreamAt = events.now();
          this.#lost('udp', base, server, code);
        },
      },
    });
    return relay;
  }

  #openStream(): void {
    const { turn, crypto, renewCredential, events } = this.#options;
    const { streams = [], ca } = turn;
    if (streams.length === 0 || this.#stream !== undefined) return;
    this.#stream = new StreamRelay({
      name: this.#options.name,
      servers: streams,
      ca,
      credential: () => this.#credential,
      crypto,
      renewCredential,
      events: {
        ...events,
        allocated: (base, server, transport, relayed, rttMs) => {
          this.#failed.clear();
          this.#admitTo(this.#stream?.relay);
          events.allocated({ base, server, transport, relayed, reflexive: undefined, rttMs });
        },
        lost: (base, code) => {
          this.#lost('stream', base, undefined, code);
        },
      },
    });
  }

  #udpWorks(now: Instant): void {
    this.#openStreamAt = undefined;
    if (this.#stream !== undefined) this.#closeStreamAt ??= after(now, LINGER_MS);
  }

  #closeStream(now: Instant): void {
    const base = this.#stream?.base;
    this.#closeStreamAt = undefined;
    this.#stream?.close(now);
    this.#stream = undefined;
    this.#events.log('relay-stream-closed');
    if (base !== undefined) this.#lost('stream', base, undefined, 'NAT_RELAY_MOVED');
  }

  #lost(
    transport: 'udp' | 'stream',
    base: CandidateBase | undefined,
    server: TransportAddress | undefined,
    code: string,
  ): void {
    if (base === undefined) this.#failed.add(transport);
    if (this.bases.length === 0 && base !== undefined) this.#peers.clear();
    // While another transport is still to be tried, one that gave nothing is no news.
    const hasStreams = (this.#options.turn.streams ?? []).length > 0;
    const isAllTried =
      (this.#udp === undefined || this.#failed.has('udp')) && (!hasStreams || this.#failed.has('stream'));
    if (base !== undefined || (this.bases.length === 0 && isAllTried)) this.#events.lost(base, server, code);
  }
}

function isDue(at: Instant | undefined, now: Instant): boolean {
  return at !== undefined && at <= now;
}
