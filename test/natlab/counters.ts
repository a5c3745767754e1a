import { ROUTER_COUNTERS, SERVER_COUNTERS } from './counter-rules.ts';
import { LabError } from './errors.ts';

/** IP packets and bytes (with IP headers) that the kernel counted since the lab was made. */
export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
}

/** Traffic by direction, as seen from the machine or router that counts. */
export interface TwoWayTraffic {
  readonly in: Traffic;
  readonly out: Traffic;
}

/** What one router let pass between its clients and the internet, UDP only. */
export interface RouterCounters {
  readonly side: string;
  /** To and from the server's addresses. */
  readonly server: TwoWayTraffic;
  /** To and from anyone else: traffic that never touches the server. */
  readonly direct: TwoWayTraffic;
}

/** Counters of the whole lab; they only grow, so subtract an earlier reading to measure a span. */
export interface LabCounters {
  /** On the server's interface. */
  readonly server: {
    /** UDP ports 3478 and 3479. */
    readonly stun: TwoWayTraffic;
    /** Every other UDP port. */
    readonly relay: TwoWayTraffic;
    readonly tcp: TwoWayTraffic;
  };
  readonly routers: readonly RouterCounters[];
  /** All UDP that entered or left the server. */
  readonly viaServer: Traffic;
  /** UDP packets that reached a client's side from another side, each counted once, where it arrives. */
  readonly direct: Traffic;
}

/** Reads `nft list counters`. */
export function parseCounters(listing: string): ReadonlyMap<string, Traffic> {
  const found = listing.matchAll(/counter (\w+) \{\s*packets (\d+) bytes (\d+)\s*\}/g);
  return new Map(
    [...found].map(([, name, packets, bytes]) => [String(name), traffic(Number(packets), Number(bytes))]),
  );
}

/** Puts the listings of the server and of every router together. */
export function combineCounters(
  serverListing: string,
  routerListings: readonly { readonly side: string; readonly listing: string }[],
): LabCounters {
  const pick = picker(serverListing, SERVER_COUNTERS);
  const server = {
    stun: { in: pick('stun_in'), out: pick('stun_out') },
    relay: { in: pick('relay_in'), out: pick('relay_out') },
    tcp: { in: pick('tcp_in'), out: pick('tcp_out') },
  };
  const routers = routerListings.map(({ side, listing }) => routerCounters(side, listing));
  return {
    server,
    routers,
    viaServer: sum([server.stun.in, server.stun.out, server.relay.in, server.relay.out]),
    direct: sum(routers.map((router) => router.direct.in)),
  };
}

function routerCounters(side: string, listing: string): RouterCounters {
  const pick = picker(listing, ROUTER_COUNTERS);
  return {
    side,
    server: { in: pick('server_in'), out: pick('server_out') },
    direct: { in: pick('direct_in'), out: pick('direct_out') },
  };
}

function picker<Name extends string>(listing: string, names: readonly Name[]): (name: Name) => Traffic {
  const counters = parseCounters(listing);
  const absent = names.filter((name) => !counters.has(name));
  if (absent.length > 0)
    throw new LabError('LAB_COMMAND_FAILED', `nft lists no counter ${absent.join(', ')}`);
  return (name) => counters.get(name) ?? traffic(0, 0);
}

function traffic(packets: number, bytes: number): Traffic {
  return { packets, bytes };
}

function sum(parts: readonly Traffic[]): Traffic {
  return parts.reduce(
    (total, part) => traffic(total.packets + part.packets, total.bytes + part.bytes),
    traffic(0, 0),
  );
}
