import type { NatCrypto } from '../../crypto/crypto.port.ts';
import { FlowFrameType, RELAY_HEADER_BYTES } from '../../flow/flow-frame.ts';
import type { CandidateBase } from '../../ice/candidate.ts';
import type { AddressFamily, TransportAddress } from '../../net/transport-address.ts';
import type { Instant } from '../../time/instant.ts';
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

/** What of an endpoint has to do with its home supernode's flow: registration and native relays. */
export class FlowLink {
  readonly #sockets: ReadonlyMap<AddressFamily, EndpointSocket>;
  readonly #crypto: NatCrypto;
  readonly #events: FlowLinkEvents;
  readonly #relays = new NativeRelays();
  #flow: RegisteredFlow | undefined;

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
    this.#flow =
      flow === undefined ? undefined : new RegisteredFlow(flow, this.#sockets, this.#crypto, this.#events);
    this.#flow?.start(now);
  }

  refresh(now: Instant): void {
    this.#flow?.refresh(now);
  }

  addRelay(path: IcePath, id: Uint8Array): CandidateBase | undefined {
    return this.#relays.add(path, id);
  }

  removePath(path: IcePath): void {
    this.#relays.removePath(path);
  }

  /** True: the timers of the flow may be others now. */
  receive(bytes: Uint8Array, from: TransportAddress, now: Instant): boolean {
    if (this.#flow?.isServer(from) !== true) {
      this.#events.drop('flow-unexpected-source');
    } else if (bytes[0] === FlowFrameType.DATA) {
      const base = this.#relays.baseOf(bytes);
      if (base === undefined) this.#events.drop('flow-unknown-relay');
      else this.#events.data(base, bytes.subarray(RELAY_HEADER_BYTES));
    } else {
      this.#flow.receive(bytes, from, now);
      return true;
    }
    return false;
  }

  transmit(base: CandidateBase, bytes: Uint8Array): void {
    const frame = this.#relays.wrap(base, bytes);
    if (frame === undefined || this.#flow?.send(frame) !== true) this.#events.drop('native-relay-gone');
  }

  handleTimeout(now: Instant): void {
    this.#flow?.handleTimeout(now);
  }

  nextTimeoutAt(): Instant | undefined {
    return this.#flow?.nextTimeoutAt();
  }
}
