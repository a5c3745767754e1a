import type { NatBehaviour } from './behaviour.ts';
import { LabError } from './errors.ts';

/** One site behind one NAT. */
export interface SideOptions {
  readonly behaviour: NatBehaviour;
  /** Machines behind the NAT; two by default, so that "same NAT" can be tested. @default 2 */
  readonly clients?: number;
  /** Name of the carrier whose NAT stands in front of this one; must be one of the lab's carriers. */
  readonly carrier?: string;
  /** Gives the clients public IPv6 addresses beside IPv4, behind a stateful firewall or behind none. */
  readonly ipv6?: 'stateful-firewall' | 'open';
  /** Lets unsolicited packets reach the router itself, as few sold routers do. @default false */
  readonly openWan?: boolean;
  /** How long an idle UDP mapping lives. @default the kernel's: 30, or 120 once both ends sent */
  readonly mappingLifetimeSeconds?: number;
}

/** A second NAT, with private addresses of its own, in front of the NATs of several sides. */
export interface CarrierOptions {
  /** Whether two of its customers reach each other by their public addresses (RFC 4787 REQ-9). */
  readonly hairpinning: boolean;
}

/** A machine that runs clients, and the name of its namespace: `a1`, `a2`, `b1`, … */
export interface LabClient {
  readonly host: string;
  /** The address of its own interface; private unless the side has no NAT. */
  readonly address: string;
  readonly ipv6Address?: string;
}

/** A router with its clients; sides are called `a`, `b`, … in order. */
export interface LabSide {
  readonly name: string;
  readonly behaviour: NatBehaviour;
  /** The namespace of the NAT. */
  readonly router: string;
  /** The address on the outer side of the router: public, unless a carrier's NAT is in front of it. */
  readonly wanAddress: string;
  readonly lanAddress: string;
  /** The network behind the router, with its prefix length. */
  readonly lanNetwork: string;
  readonly clients: readonly LabClient[];
  readonly carrier: LabCarrier | undefined;
  readonly ipv6: LabIpv6 | undefined;
  readonly openWan: boolean;
  readonly mappingLifetimeSeconds: number | undefined;
}

/** A carrier's NAT. */
export interface LabCarrier {
  readonly name: string;
  readonly router: string;
  readonly hairpinning: boolean;
  readonly wanAddress: string;
  /** The address on the side of its customers. */
  readonly customerAddress: string;
}

/** How a side is reached by IPv6. */
export interface LabIpv6 {
  readonly filter: 'stateful-firewall' | 'open';
  /** Of the router, on the internet's link. */
  readonly linkAddress: string;
  readonly lanAddress: string;
  readonly lanNetwork: string;
}

/** Who is where: the whole lab as data, before anything of it exists. */
export interface Topology {
  /** The namespace of the supernode. */
  readonly server: LabServer;
  readonly carriers: readonly LabCarrier[];
  readonly sides: readonly LabSide[];
}

/** The machine of the supernode; it has IPv6 where a side has. */
export interface LabServer {
  readonly host: string;
  readonly addresses: readonly [string, string];
  readonly ipv6Addresses: readonly string[];
}

/** Public addresses are from 198.18.0.0/15 (RFC 2544) and 2001:2::/48 (RFC 5180), which are routed nowhere. */
export const PUBLIC_PREFIX_LENGTH = 16;
export const IPV6_NETWORK = '2001:2::/48';
const SERVER_ADDRESSES = ['198.18.0.10', '198.18.0.11'] as const;
const SERVER_IPV6_ADDRESSES = ['2001:2::10', '2001:2::11'];
const MAX_SIDES = 60;
const MAX_CLIENTS = 50;
const FIRST_CARRIER = 100;
const LETTERS = 26;

/** Gives every machine its name and address. */
export function planTopology(
  sides: readonly SideOptions[],
  carriers: Readonly<Record<string, CarrierOptions>> = {},
): Topology {
  if (sides.length > MAX_SIDES) {
    throw new LabError('LAB_SETUP_FAILED', `at most ${MAX_SIDES} sides, not ${sides.length}`);
  }
  const plannedCarriers = Object.entries(carriers).map(([name, { hairpinning }], index) => ({
    name,
    router: `cgn${index + 1}`,
    hairpinning,
    wanAddress: `198.18.${FIRST_CARRIER + index}.1`,
    customerAddress: `100.64.${index}.1`,
  }));
  const hasIpv6 = sides.some(({ ipv6 }) => ipv6 !== undefined);
  return {
    server: {
      host: 'srv',
      addresses: SERVER_ADDRESSES,
      ipv6Addresses: hasIpv6 ? SERVER_IPV6_ADDRESSES : [],
    },
    carriers: plannedCarriers,
    sides: sides.map((side, index) => planSide(side, index, plannedCarriers)),
  };
}

function planSide(options: SideOptions, index: number, carriers: readonly LabCarrier[]): LabSide {
  const { behaviour, clients = 2 } = options;
  if (clients < 1 || clients > MAX_CLIENTS) {
    throw new LabError('LAB_SETUP_FAILED', `1 to ${MAX_CLIENTS} clients on a side, not ${clients}`);
  }
  const carrier = carrierOf(options, carriers);
  const name = sideName(index);
  const number = index + 1;
  const lan = behaviour === 'none' ? `198.19.${number}` : `10.${number}.0`;
  const ipv6 = options.ipv6 === undefined ? undefined : planIpv6(options.ipv6, number);
  return {
    name,
    behaviour,
    router: `nat-${name}`,
    wanAddress:
      carrier === undefined
        ? `198.18.${number}.1`
        : carrier.customerAddress.replace(/\d+$/, String(number + 1)),
    lanAddress: `${lan}.1`,
    lanNetwork: `${lan}.0/24`,
    clients: Array.from({ length: clients }, (_, client) =>
      planClient(`${name}${client + 1}`, lan, ipv6, client + 2),
    ),
    carrier,
    ipv6,
    openWan: options.openWan ?? false,
    mappingLifetimeSeconds: options.mappingLifetimeSeconds,
  };
}

function carrierOf({ behaviour, carrier }: SideOptions, carriers: readonly LabCarrier[]) {
  if (carrier === undefined) return undefined;
  const found = carriers.find(({ name }) => name === carrier);
  if (found === undefined || behaviour === 'none') {
    throw new LabError('LAB_SETUP_FAILED', `a side can't be a customer of ${carrier} with ${behaviour}`);
  }
  return found;
}

function planIpv6(filter: LabIpv6['filter'], number: number): LabIpv6 {
  const prefix = `2001:2:0:${number.toString(16)}:`;
  return {
    filter,
    linkAddress: `fe80::${(0x100 + number).toString(16)}`,
    lanAddress: `${prefix}:1`,
    lanNetwork: `${prefix}:/64`,
  };
}

function planClient(host: string, lan: string, ipv6: LabIpv6 | undefined, number: number): LabClient {
  const address = `${lan}.${number}`;
  if (ipv6 === undefined) return { host, address };
  return { host, address, ipv6Address: ipv6.lanAddress.replace(/1$/, number.toString(16)) };
}

/** `a` to `z`, then `aa`, `ab`, … */
function sideName(index: number): string {
  const letter = String.fromCharCode('a'.charCodeAt(0) + (index % LETTERS));
  return index < LETTERS ? letter : sideName(Math.floor(index / LETTERS) - 1) + letter;
}

/** Addresses that a machine from elsewhere gets on this side; those of its own clients are below. */
const FIRST_GUEST = 100;

/** What a machine is called and has for addresses after it moved to a side. */
export function guestOf(side: LabSide, host: string, count: number): LabClient {
  return planClient(host, side.lanAddress.replace(/\.\d+$/, ''), side.ipv6, FIRST_GUEST + count);
}

/** Every namespace of the lab except the internet itself. */
export function hostsOf({ server, carriers, sides }: Topology): string[] {
  return [
    server.host,
    ...carriers.map(({ router }) => router),
    ...sides.flatMap((side) => [side.router, ...side.clients.map((client) => client.host)]),
  ];
}
