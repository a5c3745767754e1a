/**
 * A piece of network in which every attached host or box reaches every other directly: the internet, a home network, the
 * inside of a carrier-grade NAT. What no one here owns goes to the gateway, if there is one.
 */
import { NatError } from '../errors.ts';
import { canonicalIpAddress } from '../net/ip-address.ts';
import type { Instant } from '../time/instant.ts';
import { copyDelays, type LinkOptions } from './link.ts';
import type { Packet, PacketDropReason } from './packet.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What the parts of one virtual network share. */
export interface NetworkContext {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  sent(place: string, packet: Packet): void;
  delivered(place: string, packet: Packet): void;
  dropped(place: string, packet: Packet, reason: PacketDropReason): void;
}

/** Something with addresses in a segment. */
export interface Attachment {
  readonly name: string;
  readonly link: LinkOptions;
  /** A packet for one of its addresses came in from the segment. */
  receive(packet: Packet, now: Instant): void;
}

/** Where a segment sends what nobody in it owns. */
export interface Gateway {
  readonly name: string;
  fromInside(packet: Packet, now: Instant): void;
  /** Addresses inside that are not translated must be reachable from outside. */
  announce(address: string): void;
  withdraw(address: string): void;
}

export class Segment {
  readonly name: string;
  private readonly context: NetworkContext;
  private readonly gateway: Gateway | undefined;
  private readonly attachments = new Map<string, Attachment>();

  constructor(name: string, context: NetworkContext, gateway?: Gateway) {
    this.name = name;
    this.context = context;
    this.gateway = gateway;
  }

  attach(address: string, attachment: Attachment): void {
    const canonical = canonicalIpAddress(address);
    if (canonical !== address) {
      throw new NatError('NAT_INVALID_ADDRESS', `${address} is no IP address in canonical form.`);
    }
    if (this.attachments.has(address)) {
      throw new NatError('NAT_INVALID_ARGUMENT', `${address} is already taken in ${this.name}.`);
    }
    this.attachments.set(address, attachment);
    this.gateway?.announce(address);
  }

  detach(address: string): void {
    this.attachments.delete(address);
    this.gateway?.withdraw(address);
  }

  /** Takes a packet from one of its attachments: over the sender's line, then to the owner of the address or the gateway. */
  send(packet: Packet, from: Attachment): void {
    this.overLine(from, packet, (now) => {
      if (this.gateway === undefined || this.attachments.has(packet.destination.address)) {
        this.deliver(packet);
      } else {
        this.gateway.fromInside(packet, now);
      }
    });
  }

  /** Hands a packet to the owner of its destination in this segment, over the owner's line. */
  deliver(packet: Packet): void {
    const owner = this.attachments.get(packet.destination.address);
    if (owner === undefined) {
      this.context.dropped(this.name, packet, 'no-route');
      return;
    }
    this.overLine(owner, packet, (now) => {
      owner.receive(packet, now);
    });
  }

  private overLine(attachment: Attachment, packet: Packet, arrive: (now: Instant) => void): void {
    const delays = copyDelays(attachment.link, this.context.random);
    if (delays.length === 0) this.context.dropped(attachment.name, packet, 'lost');
    for (const delay of delays) this.context.clock.schedule(delay, arrive);
  }
}
