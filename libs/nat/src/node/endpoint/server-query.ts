import type { NatCrypto } from '../../crypto/crypto.port.ts';
import { ReflexiveQuery, type ReflexiveQueryOutput } from '../../ice/reflexive-query.ts';
import { sameTransportAddress, type TransportAddress } from '../../net/transport-address.ts';
import type { StunMessage } from '../../stun/message.ts';
import type { Instant } from '../../time/instant.ts';
import type { ReflexiveReport } from './endpoint-types.ts';
import type { EndpointSocket } from './endpoint-socket.ts';

export interface ServerQueryEvents {
  /** A mapping that was not known before. */
  mapped(socket: EndpointSocket, server: TransportAddress, address: TransportAddress): void;
  /** The first answer, or the end of the first attempt. */
  settled(): void;
}

/** What one STUN server says about one of our sockets. */
export class ServerQuery {
  readonly server: TransportAddress;
  readonly #socket: EndpointSocket;
  readonly #query: ReflexiveQuery;
  readonly #events: ServerQueryEvents;
  #address: TransportAddress | undefined;
  #rttMs: number | undefined;
  #isSettled = false;
  #hasFailed = false;

  constructor(
    server: TransportAddress,
    socket: EndpointSocket,
    crypto: NatCrypto,
    events: ServerQueryEvents,
  ) {
    this.server = server;
    this.#socket = socket;
    this.#query = new ReflexiveQuery(crypto);
    this.#events = events;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  report(): ReflexiveReport {
    return {
      server: this.server,
      local: this.#socket.boundAddress,
      ...(this.#address === undefined ? {} : { address: this.#address }),
      ...(this.#rttMs === undefined ? {} : { rttMs: this.#rttMs }),
      ...(this.#hasFailed ? { error: 'NAT_TRANSACTION_TIMEOUT' } : {}),
    };
  }

  start(now: Instant): void {
    this.#perform(this.#query.handle({ kind: 'start' }, now));
  }

  owns(transactionId: Uint8Array): boolean {
    return this.#query.owns(transactionId);
  }

  receive(message: StunMessage, now: Instant): void {
    this.#perform(this.#query.handle({ kind: 'response', message }, now));
  }

  handleTimeout(now: Instant): void {
    this.#perform(this.#query.handleTimeout(now));
  }

  nextTimeoutAt(): Instant | undefined {
    return this.#query.nextTimeoutAt();
  }

  #perform(outputs: readonly ReflexiveQueryOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'send') {
        this.#socket.send(output.bytes, this.server);
        continue;
      }
      this.#hasFailed = output.kind === 'failed';
      if (output.kind === 'mapped') {
        this.#rttMs = output.rttMs ?? this.#rttMs;
        const isNew = this.#address === undefined || !sameTransportAddress(this.#address, output.address);
        this.#address = output.address;
        if (isNew) this.#events.mapped(this.#socket, this.server, output.address);
      }
      if (this.#isSettled) continue;
      this.#isSettled = true;
      this.#events.settled();
    }
  }
}
