import { NatError } from '../errors.ts';
import { transportAddress } from '../net/ip-address.ts';
import { transportAddressKey, type TransportAddress } from '../net/transport-address.ts';
import type { Instant } from '../time/instant.ts';
import type { LinkOptions } from './link.ts';
import type { Packet } from './packet.ts';
import type { Attachment, NetworkContext, Segment } from './segment.ts';

export interface VirtualHostOptions {
  /** For reports. @default the first address */
  readonly name?: string;
  /** At least one, IPv4 or IPv6, in canonical form. */
  readonly addresses: readonly [string, ...string[]];
  readonly link?: LinkOptions;
}

export type DatagramListener = (bytes: Uint8Array, from: TransportAddress, now: Instant) => void;

const FIRST_EPHEMERAL_PORT = 49_152;

/** A computer with UDP sockets. */
export class VirtualHost implements Attachment {
  readonly name: string;
  readonly link: LinkOptions;
  private currentAddresses: readonly string[];
  private readonly context: NetworkContext;
  private segment: Segment | undefined;
  private readonly sockets = new Map<string, VirtualSocket>();
  private nextPort = FIRST_EPHEMERAL_PORT;

  constructor(options: VirtualHostOptions, context: NetworkContext, segment: Segment) {
    this.name = options.name ?? options.addresses[0];
    this.link = options.link ?? {};
    this.currentAddresses = options.addresses;
    this.context = context;
    this.segment = segment;
  }

  get addresses(): readonly string[] {
    return this.currentAddresses;
  }

  /** Opens a socket. @param address one of the host's addresses, the first by default @param port a free one by default */
  bind(address: string = this.currentAddresses[0] ?? '', port = 0): VirtualSocket {
    if (!this.currentAddresses.includes(address)) {
      throw new NatError('NAT_INVALID_ARGUMENT', `${this.name} has no address ${address}.`);
    }
    const local = transportAddress(address, port === 0 ? this.freePort(address) : port);
    if (this.sockets.has(transportAddressKey(local))) {
      throw new NatError('NAT_BIND_FAILED', `Port ${local.port} of ${this.name} is taken.`);
    }
    const socket = new VirtualSocket(
      local,
      (packet) => {
        this.transmit(packet);
      },
      () => this.sockets.delete(transportAddressKey(local)),
    );
    this.sockets.set(transportAddressKey(local), socket);
    return socket;
  }

  /** Leaves its network for another one; sockets on addresses that it no longer has stay open and send into nothing. */
  moveTo(segment: Segment, addresses: readonly [string, ...string[]]): void {
    this.unplug();
    this.segment = segment;
    this.currentAddresses = addresses;
    for (const address of addresses) segment.attach(address, this);
  }

  /** Pulls the cable: nothing leaves, nothing arrives. */
  unplug(): void {
    for (const address of this.currentAddresses) this.segment?.detach(address);
    this.segment = undefined;
    this.currentAddresses = [];
  }

  receive(packet: Packet, now: Instant): void {
    const socket = this.sockets.get(transportAddressKey(packet.destination));
    if (socket === undefined) {
      this.context.dropped(this.name, packet, 'no-listener');
      return;
    }
    this.context.delivered(this.name, packet);
    socket.deliver(packet.bytes, packet.source, now);
  }

  private transmit(packet: Packet): void {
    this.context.sent(this.name, packet);
    if (this.segment === undefined || !this.currentAddresses.includes(packet.source.address)) {
      this.context.dropped(this.name, packet, 'no-route');
    } else {
      this.segment.send(packet, this);
    }
  }

  private freePort(address: string): number {
    for (let port = this.nextPort; port <= 0xffff; port += 1) {
      if (!this.sockets.has(transportAddressKey(transportAddress(address, port)))) {
        this.nextPort = port + 1;
        return port;
      }
    }
    throw new NatError('NAT_BIND_FAILED', `${this.name} has no free port.`);
  }
}

/** A UDP socket. Datagrams arrive as tasks of the virtual clock, never inside `send`. */
export class VirtualSocket {
  readonly localAddress: TransportAddress;
  private readonly transmit: (packet: Packet) => void;
  private readonly release: () => void;
  private listener: DatagramListener | undefined;
  private isClosed = false;

  constructor(localAddress: TransportAddress, transmit: (packet: Packet) => void, release: () => void) {
    this.localAddress = localAddress;
    this.transmit = transmit;
    this.release = release;
  }

  /** Sets who gets the datagrams; what arrives before that is lost, as in a full socket buffer. */
  onDatagram(listener: DatagramListener): void {
    this.listener = listener;
  }

  /** The bytes are copied. */
  send(bytes: Uint8Array, destination: TransportAddress): void {
    if (this.isClosed) throw new NatError('NAT_SOCKET_CLOSED', 'The socket is closed.');
    this.transmit({ source: this.localAddress, destination, bytes: Uint8Array.from(bytes) });
  }

  close(): void {
    this.isClosed = true;
    this.listener = undefined;
    this.release();
  }

  /** Called by the host. */
  deliver(bytes: Uint8Array, from: TransportAddress, now: Instant): void {
    this.listener?.(bytes, from, now);
  }
}
