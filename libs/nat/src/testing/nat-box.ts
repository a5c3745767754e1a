/** A router between two segments: translates IPv4 (RFC 4787), filters IPv6 (RFC 6092), or blocks UDP altogether. */
import { NatError } from '../errors.ts';
import { parseIpv4, parseIpv6 } from '../net/ip-address.ts';
import type { Instant } from '../time/instant.ts';
import { FirewallTable, type FirewallBehaviour } from './firewall-table.ts';
import type { LinkOptions } from './link.ts';
import { NatTable, type NatBehaviour } from './nat-table.ts';
import type { Packet, PacketDropReason } from './packet.ts';
import { Segment, type Attachment, type Gateway, type NetworkContext } from './segment.ts';

export interface NatBoxOptions extends NatBehaviour {
  /** For reports. @default 'nat' */
  readonly name?: string;
  /** IPv4 addresses in the outer segment. None makes a box that passes IPv6 only. */
  readonly externalAddresses: readonly string[];
  /** Whether hosts behind the box reach each other through its external address (RFC 4787 section 6). @default false */
  readonly hairpinning?: boolean;
  /** Drops every UDP packet in both directions. @default false */
  readonly udpBlocked?: boolean;
  /** How IPv6 is filtered; `'open'` lets everything through. @default {} */
  readonly ipv6?: FirewallBehaviour | 'open';
  /** The line to the outer segment. */
  readonly link?: LinkOptions;
}

export class NatBox implements Attachment, Gateway {
  readonly name: string;
  readonly link: LinkOptions;
  readonly externalAddresses: readonly string[];
  /** The network behind the box. */
  readonly inside: Segment;
  private readonly options: NatBoxOptions;
  private readonly context: NetworkContext;
  private readonly outside: Segment;
  private readonly nat: NatTable;
  private readonly firewall: FirewallTable;

  constructor(options: NatBoxOptions, context: NetworkContext, outside: Segment) {
    if (options.externalAddresses.some((address) => parseIpv4(address) === undefined)) {
      throw new NatError('NAT_INVALID_ADDRESS', 'The external addresses of a NAT are IPv4 addresses.');
    }
    this.options = options;
    this.name = options.name ?? 'nat';
    this.link = options.link ?? {};
    this.externalAddresses = options.externalAddresses;
    this.context = context;
    this.outside = outside;
    this.nat = new NatTable(options, options.externalAddresses, context.random);
    this.firewall = new FirewallTable(
      options.ipv6 === 'open' || options.ipv6 === undefined ? {} : options.ipv6,
    );
    this.inside = new Segment(`${this.name} inside`, context, this);
  }

  /** How many IPv4 mappings live now. */
  get mappingCount(): number {
    return this.nat.size(this.context.clock.now);
  }

  /** Forgets all mappings and firewall state, as a restart does. */
  reboot(): void {
    this.nat.clear();
    this.firewall.clear();
  }

  /** Global IPv6 addresses behind the box are reachable as they are, so the outer segment must know the way. */
  announce(address: string): void {
    if (isGlobalIpv6(address)) this.outside.attach(address, this);
  }

  withdraw(address: string): void {
    if (isGlobalIpv6(address)) this.outside.detach(address);
  }

  fromInside(packet: Packet, now: Instant): void {
    if (this.options.udpBlocked === true) {
      this.drop(packet, 'udp-blocked');
    } else if (packet.destination.family === 'ipv6') {
      this.firewall.outbound(packet.source, packet.destination, now);
      this.outside.send(packet, this);
    } else {
      this.translateOutbound(packet, now);
    }
  }

  /** A packet from the outer segment. */
  receive(packet: Packet, now: Instant): void {
    if (this.options.udpBlocked === true) {
      this.drop(packet, 'udp-blocked');
    } else if (packet.destination.family === 'ipv4') {
      this.translateInbound(packet, now);
    } else if (this.options.ipv6 === 'open' || this.firewall.isOpen(packet.destination, packet.source, now)) {
      this.inside.deliver(packet);
    } else {
      this.drop(packet, 'filtered');
    }
  }

  private translateOutbound(packet: Packet, now: Instant): void {
    const isHairpin = this.externalAddresses.includes(packet.destination.address);
    if (this.externalAddresses.length === 0) {
      this.drop(packet, 'no-route');
      return;
    }
    if (isHairpin && this.options.hairpinning !== true) {
      this.drop(packet, 'hairpin-refused');
      return;
    }
    const external = this.nat.outbound(packet.source, packet.destination, now);
    if (external === undefined) {
      this.drop(packet, 'no-free-port');
      return;
    }
    const translated: Packet = { ...packet, source: external };
    if (isHairpin) {
      this.translateInbound(translated, now);
    } else {
      this.outside.send(translated, this);
    }
  }

  private translateInbound(packet: Packet, now: Instant): void {
    const result = this.nat.inbound(packet.destination, packet.source, now);
    if (result.ok) {
      this.inside.deliver({ ...packet, destination: result.internal });
    } else {
      this.drop(packet, result.reason);
    }
  }

  private drop(packet: Packet, reason: PacketDropReason): void {
    this.context.dropped(this.name, packet, reason);
  }
}

/** 2000::/3: what is not link-local, unique local or multicast. */
function isGlobalIpv6(address: string): boolean {
  const bytes = parseIpv6(address);
  return bytes !== undefined && ((bytes[0] as number) & 0xe0) === 0x20;
}
