/**
 * A UDP internet in memory: hosts, sockets, lines with latency and loss, NAT boxes and firewalls, on a virtual clock. One
 * seed decides everything that is left to chance, so a run can be repeated exactly.
 */
import { NatBox, type NatBoxOptions } from './nat-box.ts';
import type { Packet, PacketDropReason, PacketEvent } from './packet.ts';
import { Segment, type NetworkContext } from './segment.ts';
import { SeededRandom } from './seeded-random.ts';
import { VirtualClock } from './virtual-clock.ts';
import { VirtualHost, type VirtualHostOptions } from './virtual-host.ts';

export interface VirtualNetworkOptions {
  /** @default a new clock at 0 */
  readonly clock?: VirtualClock;
  /** @default 1 */
  readonly seed?: number;
}

export class VirtualNetwork {
  readonly clock: VirtualClock;
  /** The outermost segment: addresses here are the public ones. */
  readonly internet: Segment;
  private readonly context: NetworkContext;
  private readonly observers: ((event: PacketEvent) => void)[] = [];
  private readonly drops = new Map<PacketDropReason, number>();

  constructor({ clock = new VirtualClock(), seed = 1 }: VirtualNetworkOptions = {}) {
    this.clock = clock;
    this.context = {
      clock,
      random: new SeededRandom(seed),
      sent: (place, packet) => {
        this.report({ kind: 'sent', place, packet, at: clock.now });
      },
      delivered: (place, packet) => {
        this.report({ kind: 'delivered', place, packet, at: clock.now });
      },
      dropped: (place, packet, reason) => {
        this.countDrop(place, packet, reason);
      },
    };
    this.internet = new Segment('internet', this.context);
  }

  /** A host in the internet, or in the segment inside a box. */
  addHost(options: VirtualHostOptions, segment: Segment = this.internet): VirtualHost {
    const host = new VirtualHost(options, this.context, segment);
    for (const address of host.addresses) segment.attach(address, host);
    return host;
  }

  /** A NAT or firewall between a segment and a new one, its `inside`; boxes nest. */
  addNat(options: NatBoxOptions, segment: Segment = this.internet): NatBox {
    const box = new NatBox(options, this.context, segment);
    for (const address of box.externalAddresses) segment.attach(address, box);
    return box;
  }

  /** Sees every packet that is sent, delivered or dropped from now on. */
  observe(observer: (event: PacketEvent) => void): void {
    this.observers.push(observer);
  }

  /** How many packets were dropped for a reason so far. */
  droppedFor(reason: PacketDropReason): number {
    return this.drops.get(reason) ?? 0;
  }

  private countDrop(place: string, packet: Packet, reason: PacketDropReason): void {
    this.drops.set(reason, this.droppedFor(reason) + 1);
    this.report({ kind: 'dropped', place, packet, at: this.clock.now, reason });
  }

  private report(event: PacketEvent): void {
    for (const observer of this.observers) observer(event);
  }
}
