import type { NatCrypto } from '../../crypto/crypto.port.ts';
import {
  FlowRegistration,
  type FlowCredentials,
  type FlowRegistrationOutput,
} from '../../flow/flow-registration.ts';
import {
  sameTransportAddress,
  type AddressFamily,
  type TransportAddress,
} from '../../net/transport-address.ts';
import { earliest, type Instant } from '../../time/instant.ts';
import type { EndpointSocket } from './endpoint-socket.ts';

/** A flow and where it is registered; the first server of each address family counts. */
export interface EndpointFlow extends FlowCredentials {
  readonly servers: readonly TransportAddress[];
}

export interface RegisteredFlowEvents {
  /** The supernode knows us, or knows us elsewhere. */
  registered(observed: TransportAddress, rttMs: number): void;
  /** No server answers: there is no native relay. */
  silent(): void;
  drop(reason: string): void;
}

interface Lane {
  readonly socket: EndpointSocket;
  readonly server: TransportAddress;
  readonly registration: FlowRegistration;
}

const LANE_OF_FAMILY = { ipv4: 0, ipv6: 1 } as const satisfies Record<AddressFamily, 0 | 1>;

/** The flow of an endpoint at its home supernode (DESIGN 6.3), one registration for each of its sockets. */
export class RegisteredFlow {
  readonly #flow: EndpointFlow;
  readonly #events: RegisteredFlowEvents;
  readonly #lanes: readonly Lane[];

  constructor(
    flow: EndpointFlow,
    sockets: ReadonlyMap<AddressFamily, EndpointSocket>,
    crypto: NatCrypto,
    events: RegisteredFlowEvents,
  ) {
    this.#flow = flow;
    this.#events = events;
    this.#lanes = [...sockets].flatMap(([family, socket]) => {
      const server = flow.servers.find((candidate) => candidate.family === family);
      if (server === undefined) return [];
      const options = { flowId: flow.flowId, key: flow.key, crypto, lane: LANE_OF_FAMILY[family] };
      return [{ socket, server, registration: new FlowRegistration(options) }];
    });
  }

  get isRegistered(): boolean {
    return this.#lanes.some(({ registration }) => registration.observed !== undefined);
  }

  /** Also where there is no server that a socket could reach. */
  get isSilent(): boolean {
    return this.#lanes.every(({ registration }) => registration.isSilent);
  }

  /** Where the supernode sees our sockets. */
  get observed(): readonly TransportAddress[] {
    return this.#lanes.flatMap(({ registration: { observed } }) =>
      observed === undefined ? [] : [observed],
    );
  }

  has(flowId: Uint8Array): boolean {
    return flowId.every((byte, index) => byte === this.#flow.flowId[index]);
  }

  isServer(address: TransportAddress): boolean {
    return this.#lanes.some(({ server }) => sameTransportAddress(server, address));
  }

  sharesServer(other: RegisteredFlow): boolean {
    return this.#lanes.some(({ server }) => other.isServer(server));
  }

  start(now: Instant): void {
    for (const lane of this.#lanes) this.#perform(lane, lane.registration.handle({ kind: 'start' }, now));
  }

  /** This socket may be behind another mapping now. */
  refresh(now: Instant): void {
    for (const lane of this.#lanes) this.#perform(lane, lane.registration.handle({ kind: 'refresh' }, now));
  }

  receive(bytes: Uint8Array, from: TransportAddress, now: Instant): void {
    const lane = this.#lanes.find(({ server }) => sameTransportAddress(server, from));
    if (lane !== undefined) this.#perform(lane, lane.registration.handle({ kind: 'datagram', bytes }, now));
  }

  /** Where {@link send} sends; undefined where the supernode knows none of our sockets. */
  get server(): TransportAddress | undefined {
    return this.#best()?.server;
  }

  /** From the socket with the shorter way; false where the supernode knows none. */
  send(bytes: Uint8Array): boolean {
    const best = this.#best();
    best?.socket.send(bytes, best.server);
    return best !== undefined;
  }

  handleTimeout(now: Instant): void {
    for (const lane of this.#lanes) this.#perform(lane, lane.registration.handleTimeout(now));
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(...this.#lanes.map(({ registration }) => registration.nextTimeoutAt()));
  }

  #best(): Lane | undefined {
    let best: Lane | undefined;
    for (const lane of this.#lanes) {
      if (lane.registration.rttMs === undefined) continue;
      if (best === undefined || isBetter(lane.registration, best.registration)) best = lane;
    }
    return best;
  }

  #perform({ socket, server }: Lane, outputs: readonly FlowRegistrationOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'send':
          socket.send(output.bytes, server);
          break;
        case 'registered':
          this.#events.registered(output.observed, output.rttMs);
          break;
        case 'silent':
          if (this.isSilent) this.#events.silent();
          break;
        case 'drop':
          this.#events.drop(`flow-${output.reason}`);
          break;
      }
    }
  }
}

/** A registered socket before a silent one, then the shorter round trip. */
function isBetter(one: FlowRegistration, other: FlowRegistration): boolean {
  if (one.isSilent !== other.isSilent) return other.isSilent;
  return (one.rttMs ?? Infinity) < (other.rttMs ?? Infinity);
}
