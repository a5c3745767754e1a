import type { NatCrypto } from '../../crypto/crypto.port.ts';
import { FlowFrameType, RELAY_HEADER_BYTES } from '../../flow/flow-frame.ts';
import type { CandidateBase } from '../../ice/candidate.ts';
import type { AddressFamily, TransportAddress } from '../../net/transport-address.ts';
import { earliest, type Instant } from '../../time/instant.ts';
import type { EndpointSocket } from './endpoint-socket.ts';
import type { IcePath } from './ice-path.ts';
import { NativeRelays } from './native-relays.ts';
import { RegisteredFlow, type EndpointFlow } from './registered-flow.ts';

export interface FlowLinkEvents {
  registered(): void;
  silent(): void;
  /** Something of a peer, through a native relay. */
  data(base: CandidateBase, bytes: Uint8Array): void;
  drop(reason: string): void;
}

/** Former homes whose relays are kept; with the next one the oldest is let go. */
const MAX_FORMER_FLOWS = 2;

/**
 * What of an endpoint has to do with its home supernode's flow: registration and native relays. Where the home changes, relays at
 * the former one go on for as long as their paths use them and it answers.
 */
export class FlowLink {
  readonly #sockets: ReadonlyMap<AddressFamily, EndpointSocket>;
  readonly #crypto: NatCrypto;
  readonly #events: FlowLinkEvents;
  readonly #relays = new NativeRelays();
  #flow: RegisteredFlow | undefined;
  /** Newest first. */
  #former: readonly RegisteredFlow[] = [];

  constructor(
    sockets: ReadonlyMap<AddressFamily, EndpointSocket>,
    crypto: NatCrypto,
    events: FlowLinkEvents,
  ) {
    this.#sockets = sockets;
    this.#crypto = crypto;
    this.#events = events;
  }

  /** Nobody has to be asked for an allocation, or nobody yet. */
  get isHopeful(): boolean {
    return this.#flow !== undefined && !this.#flow.isSilent;
  }

  get isRegistered(): boolean {
    return this.#flow?.isRegistered ?? false;
  }

  get observed(): readonly TransportAddress[] {
    return this.#flow?.observed ?? [];
  }

  set(flow: EndpointFlow | undefined, now: Instant): void {
    if (flow !== undefined && this.#flow?.has(flow.flowId) === true) {
      this.#flow.refresh(now);
      return;
    }
    const former = this.#all();
    this.#flow = flow === undefined ? undefined : this.#open(flow);
    this.#former = former.filter((one) => !this.#takesOver(one));
    this.#letGo();
    this.#flow?.start(now);
  }

  refresh(now: Instant): void {
    for (const flow of this.#all()) flow.refresh(now);
  }

  addRelay(path: IcePath, id: Uint8Array): CandidateBase | undefined {
    return this.#relays.add(path, id, this.#flow);
  }

  removePath(path: IcePath): void {
    this.#relays.removePath(path);
    this.#letGo();
  }

  /** True: the timers of the flows may be others now. */
  receive(bytes: Uint8Array, from: TransportAddress, now: Instant): boolean {
    const flow = this.#flowAt(from);
    if (flow === undefined) {
      this.#events.drop('flow-unexpected-source');
    } else if (bytes[0] === FlowFrameType.DATA) {
      const base = this.#relays.baseOf(bytes, flow);
      if (base === undefined) this.#events.drop('flow-unknown-relay');
      else this.#events.data(base, bytes.subarray(RELAY_HEADER_BYTES));
    } else {
      flow.receive(bytes, from, now);
      return true;
    }
    return false;
  }

  transmit(base: CandidateBase, bytes: Uint8Array): void {
    if (!this.#relays.send(base, bytes)) this.#events.drop('native-relay-gone');
  }

  handleTimeout(now: Instant): void {
    for (const flow of this.#all()) flow.handleTimeout(now);
    this.#letGo();
  }

  nextTimeoutAt(): Instant | undefined {
    return earliest(...this.#all().map((flow) => flow.nextTimeoutAt()));
  }

  #open(credentials: EndpointFlow): RegisteredFlow {
    const isCurrent = (): boolean => flow === this.#flow;
    // Of a former home nothing is expected but that its relays go on.
    const flow: RegisteredFlow = new RegisteredFlow(credentials, this.#sockets, this.#crypto, {
      registered: () => {
        if (isCurrent()) this.#events.registered();
      },
      silent: () => {
        if (isCurrent()) this.#events.silent();
      },
      drop: (reason) => {
        this.#events.drop(reason);
      },
    });
    this.#relays.move(undefined, flow); // those that were made before there was one
    return flow;
  }

  /** The same supernode under a new flow, as after a fresh sign-in: it has the relays by device. */
  #takesOver(former: RegisteredFlow): boolean {
    if (this.#flow?.sharesServer(former) !== true) return false;
    this.#relays.move(former, this.#flow);
    return true;
  }

  #flowAt(server: TransportAddress): RegisteredFlow | undefined {
    if (this.#flow?.isServer(server) === true) return this.#flow;
    return this.#former.find((flow) => flow.isServer(server));
  }

  #letGo(): void {
    if (this.#former.length === 0) return;
    this.#former = this.#former
      .filter((flow) => this.#relays.isUsed(flow) && !flow.isSilent)
      .slice(0, MAX_FORMER_FLOWS);
  }

  #all(): readonly RegisteredFlow[] {
    return this.#flow === undefined ? this.#former : [this.#flow, ...this.#former];
  }
}
