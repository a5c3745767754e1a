import type { NatBehaviour } from './behaviour.ts';
import { LabError } from './errors.ts';

/** One site behind one NAT. */
export interface SideOptions {
  readonly behaviour: NatBehaviour;
  /** Machines behind the NAT; two by default, so that "same NAT" can be tested. @default 2 */
  readonly clients?: number;
}

/** A machine that runs clients, and the name of its namespace: `a1`, `a2`, `b1`, … */
export interface LabClient {
  readonly host: string;
  /** The address of its own interface; private unless the side has no NAT. */
  readonly address: string;
}

/** A router with its clients; sides are called `a`, `b`, … in order. */
export interface LabSide {
  readonly name: string;
  readonly behaviour: NatBehaviour;
  /** The namespace of the NAT. */
  readonly router: string;
  /** The address on the public side of the router. */
  readonly wanAddress: string;
  readonly lanAddress: string;
  /** The network behind the router, with its prefix length. */
  readonly lanNetwork: string;
  readonly clients: readonly LabClient[];
}

/** Who is where: the whole lab as data, before anything of it exists. */
export interface Topology {
  /** The namespace of the supernode. */
  readonly server: { readonly host: string; readonly addresses: readonly [string, string] };
  readonly sides: readonly LabSide[];
}

/** Public addresses are from 198.18.0.0/15 (RFC 2544), which is routed nowhere. */
export const PUBLIC_PREFIX_LENGTH = 16;
const SERVER_ADDRESSES = ['198.18.0.10', '198.18.0.11'] as const;
const MAX_SIDES = 20;
const MAX_CLIENTS = 50;

/** Gives every machine its name and address. */
export function planTopology(sides: readonly SideOptions[]): Topology {
  if (sides.length > MAX_SIDES) {
    throw new LabError('LAB_SETUP_FAILED', `at most ${MAX_SIDES} sides, not ${sides.length}`);
  }
  return { server: { host: 'srv', addresses: SERVER_ADDRESSES }, sides: sides.map(planSide) };
}

function planSide({ behaviour, clients = 2 }: SideOptions, index: number): LabSide {
  if (clients < 1 || clients > MAX_CLIENTS) {
    throw new LabError('LAB_SETUP_FAILED', `1 to ${MAX_CLIENTS} clients on a side, not ${clients}`);
  }
  const name = String.fromCharCode('a'.charCodeAt(0) + index);
  const number = index + 1;
  const lan = behaviour === 'none' ? `198.19.${number}` : `10.${number}.0`;
  return {
    name,
    behaviour,
    router: `nat-${name}`,
    wanAddress: `198.18.${number}.1`,
    lanAddress: `${lan}.1`,
    lanNetwork: `${lan}.0/24`,
    clients: Array.from({ length: clients }, (_, client) => ({
      host: `${name}${client + 1}`,
      address: `${lan}.${client + 2}`,
    })),
  };
}

/** Every namespace of the lab except the internet itself. */
export function hostsOf({ server, sides }: Topology): string[] {
  return [
    server.host,
    ...sides.flatMap((side) => [side.router, ...side.clients.map((client) => client.host)]),
  ];
}
