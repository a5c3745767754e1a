import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { CandidateBase } from '../../ice/candidate.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { after, earliest, type Instant } from '../../time/instant.ts';
import type { RenewedCredential, TurnStreamServer } from './endpoint-types.ts';
import { RelayStream } from './relay-stream.ts';
import { TurnRelay, type TurnRelayEvents } from './turn-relay.ts';

export interface StreamRelayEvents extends Omit<TurnRelayEvents, 'send' | 'allocated' | 'lost'> {
  allocated(
    base: CandidateBase,
    server: TransportAddress,
    transport: TurnStreamServer['transport'],
    relayed: TransportAddress,
    rttMs: number,
  ): void;
  /** The allocation, if there was one, is gone; another attempt follows by itself. */
  lost(base: CandidateBase | undefined, code: string): void;
}

export interface StreamRelayOptions {
  /** Begins the ids of its bases. */
  readonly name: string;
  /** Tried in turn. */
  readonly servers: readonly TurnStreamServer[];
  readonly ca: readonly string[] | undefined;
  readonly credential: () => RenewedCredential;
  readonly crypto: NatCrypto;
  readonly renewCredential: (() => Promise<RenewedCredential>) | undefined;
  readonly events: StreamRelayEvents;
}

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 60_000;

/** An allocation over TCP or TLS, made again over a new connection when that ends. */
export class StreamRelay {
  readonly #options: StreamRelayOptions;
  readonly #events: StreamRelayEvents;
  #stream: RelayStream | undefined;
  #relay: TurnRelay | undefined;
  #attempts = 0;
  #retryMs = RETRY_MIN_MS;
  #retryAt: Instant | undefined;
  #isClosed = false;

  constructor(options: StreamRelayOptions) {
    this.#options = options;
    this.#events = options.events;
    this.#connect();
  }

  get base(): CandidateBase | undefined {
    return this.#relay?.base;
  }

  /** Undefined while there is no connection. */
  get relay(): TurnRelay | undefined {
    return this.#relay;
  }

  handleTimeout(now: Instant): void {
    if (this.#retryAt !== undefined && this.#retryAt <= now) {
      this.#retryAt = undefined;
      this.#connect();
    }
    this.#relay?.handleTimeout(now);
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(this.#retryAt, this.#relay?.nextTimeoutAt());
  }

  close(now: Instant): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#relay?.close(now);
    this.#stream?.end();
    this.#stream = undefined;
    this.#relay = undefined;
    this.#retryAt = undefined;
  }

  #connect(): void {
    const { servers, ca } = this.#options;
    const server = servers[this.#attempts % servers.length];
    if (server === undefined) return;
    this.#attempts += 1;
    const stream = new RelayStream({
      server,
      ca,
      events: {
        ready: (address) => {
          this.#allocate(stream, server, address);
          this.#events.rearm();
        },
        message: (bytes) => {
          this.#relay?.receive(bytes, this.#events.now());
          this.#events.rearm();
        },
        closed: (code) => {
          this.#closed(code);
          this.#events.rearm();
        },
        drop: (reason) => {
          this.#events.drop(reason);
        },
      },
    });
    this.#stream = stream;
  }

  #allocate(stream: RelayStream, { transport }: TurnStreamServer, server: TransportAddress): void {
    const { crypto, renewCredential, credential } = this.#options;
    this.#events.log('relay-connected', { transport });
    this.#relay = new TurnRelay({
      turn: { server, ...credential() },
      crypto,
      renewCredential,
      isReliable: true,
      name: `${this.#options.name}-${transport}-${this.#attempts}`,
      events: {
        ...this.#events,
        send: (bytes) => {
          stream.send(bytes);
        },
        allocated: (base, relayed, _reflexive, rttMs) => {
          this.#retryMs = RETRY_MIN_MS;
          this.#events.allocated(base, server, transport, relayed, rttMs);
        },
        lost: (base, code) => {
          this.#events.lost(base, code);
        },
      },
    });
    this.#relay.start(this.#events.now());
  }

  #closed(code: string): void {
    const base = this.base;
    this.#stream = undefined;
    this.#relay = undefined;
    this.#retryAt = after(this.#events.now(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    this.#events.log('relay-connection-lost', { code });
    this.#events.lost(base, code);
  }
}
