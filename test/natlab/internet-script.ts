import { batch, NO_RULES_FOR_BRIDGED } from './shell.ts';
import { type LabSide, type Topology } from './topology.ts';

/** The device through which everything that crosses an internet with distances goes. */
export const DISTANCE_DEVICE = 'distance';
const DISTANCE_TABLE = 100;
/** Bursts of several sessions; what overflows is lost. */
const DISTANCE_QUEUE_PACKETS = 10_000;
/** The internet's own address, on every port of it; asked for by nobody. */
const INTERNET_ADDRESS = '198.18.255.254';
/** By IPv6 the internet is a router on each link. */
export const INTERNET_LINK_ADDRESS = 'fe80::1';
export const SERVER_LINK_ADDRESS = 'fe80::a';
const IPV6_FORWARDING = 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding';

/** How the machines on the internet reach each other: at once, or through a device that holds every packet back. */
export type InternetKind = 'bridged' | 'routed-through-distance';

/** A place on the internet: its device there, and what lies behind it. */
interface InternetPort {
  readonly port: string;
  readonly networks: readonly { readonly network: string; readonly via?: string }[];
  /** Reached through this address on the link. */
  readonly ipv6?: { readonly via: string; readonly networks: readonly string[] };
}

/** Makes all links of the lab, and the internet between them. */
export function internetScript(topology: Topology, kind: InternetKind): string {
  const lines = kind === 'bridged' ? bridgedInternet(topology) : routedInternet(topology);
  return lines.join('\n');
}

function bridgedInternet(topology: Topology): string[] {
  const ports = portsOf(topology);
  const links = batch([
    'link set lo up',
    'link add internet type bridge',
    'link set internet addrgenmode none up',
    ...createLinks(topology),
    ...ports.map(({ port }) => `link set ${port} master internet addrgenmode none up`),
  ]);
  if (!hasIpv6(topology)) return [NO_RULES_FOR_BRIDGED, links];
  const routes = ports.flatMap(({ ipv6 }) =>
    (ipv6?.networks ?? []).map((network) => `route add ${network} via ${ipv6?.via ?? ''} dev internet`),
  );
  return [
    NO_RULES_FOR_BRIDGED,
    links,
    IPV6_FORWARDING,
    batch([`address add ${INTERNET_LINK_ADDRESS}/64 dev internet nodad`, ...routes], '-6 '),
  ];
}

/**
 * What comes in at a port is routed into the device, whatever its destination; what comes back from there goes to its
 * destination. The machines believe in one common network as before: the internet answers ARP for all of them.
 */
function routedInternet(topology: Topology): string[] {
  const ports = portsOf(topology);
  const settings = ports.flatMap(({ port }) => [
    `echo 1 > /proc/sys/net/ipv4/conf/${port}/proxy_arp`,
    // the default is about a second of random waiting, meant for real networks
    `echo 0 > /proc/sys/net/ipv4/neigh/${port}/proxy_delay`,
    `echo 0 > /proc/sys/net/ipv4/conf/${port}/rp_filter`,
  ]);
  const routes = ports.flatMap(({ port, networks }) => [
    `link set ${port} addrgenmode none up`,
    `address add ${INTERNET_ADDRESS}/32 dev ${port}`,
    `rule add iif ${port} lookup ${DISTANCE_TABLE}`,
    ...networks.map(({ network, via }) =>
      via === undefined
        ? `route add ${network} dev ${port}`
        : `route add ${network} via ${via} dev ${port} onlink`,
    ),
  ]);
  const device = [
    `tuntap add dev ${DISTANCE_DEVICE} mode tun`,
    `link set ${DISTANCE_DEVICE} txqueuelen ${DISTANCE_QUEUE_PACKETS} addrgenmode none up`,
    `route add default dev ${DISTANCE_DEVICE} table ${DISTANCE_TABLE}`,
  ];
  return [
    batch(['link set lo up', ...createLinks(topology), ...device, ...routes]),
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    'echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter',
    `echo 0 > /proc/sys/net/ipv4/conf/${DISTANCE_DEVICE}/rp_filter`,
    ...settings,
    ...(hasIpv6(topology) ? [IPV6_FORWARDING, batch(ipv6ThroughDistance(ports), '-6 ')] : []),
  ];
}

function ipv6ThroughDistance(ports: readonly InternetPort[]): string[] {
  return [
    `route add default dev ${DISTANCE_DEVICE} table ${DISTANCE_TABLE}`,
    ...ports.flatMap(({ port, ipv6 }) =>
      ipv6 === undefined
        ? []
        : [
            `address add ${INTERNET_LINK_ADDRESS}/64 dev ${port} nodad`,
            `rule add iif ${port} lookup ${DISTANCE_TABLE}`,
            ...ipv6.networks.map((network) => `route add ${network} via ${ipv6.via} dev ${port}`),
          ],
    ),
  ];
}

function hasIpv6({ server }: Topology): boolean {
  return server.ipv6Addresses.length > 0;
}

function portsOf(topology: Topology): InternetPort[] {
  const { server, carriers, sides } = topology;
  const serverIpv6 = {
    ipv6: { via: SERVER_LINK_ADDRESS, networks: server.ipv6Addresses.map((address) => `${address}/128`) },
  };
  return [
    {
      port: `port-${server.host}`,
      networks: server.addresses.map((address) => ({ network: address })),
      ...(hasIpv6(topology) ? serverIpv6 : {}),
    },
    ...carriers.map(({ router, wanAddress }) => ({
      port: `port-${router}`,
      networks: [{ network: wanAddress }],
    })),
    // what a carrier stands in front of is reached by IPv4 through the carrier, which has no IPv6
    ...sides.filter(({ carrier }) => carrier === undefined).map(portOfSide),
  ];
}

function portOfSide({ router, wanAddress, behaviour, lanNetwork, ipv6 }: LabSide): InternetPort {
  return {
    port: `port-${router}`,
    networks: [
      { network: wanAddress },
      ...(behaviour === 'none' ? [{ network: lanNetwork, via: wanAddress }] : []),
    ],
    ...(ipv6 === undefined ? {} : { ipv6: { via: ipv6.linkAddress, networks: [ipv6.lanNetwork] } }),
  };
}

function createLinks({ server, carriers, sides }: Topology): string[] {
  return [
    ...attach(server.host, 'eth0'),
    ...carriers.flatMap(({ router }) => attach(router, 'wan')),
    ...sides.flatMap((side) => [
      ...(side.carrier === undefined
        ? attach(side.router, 'wan')
        : attachToCarrier(side.router, side.carrier.router)),
      ...createLan(side),
    ]),
  ];
}

/** A namespace whose `device` leads to a port of the internet. */
function attach(host: string, device: string): string[] {
  return [`netns add ${host}`, `link add port-${host} type veth peer name ${device} netns ${host}`];
}

/** A namespace whose `wan` leads to the carrier's bridge. */
function attachToCarrier(host: string, carrier: string): string[] {
  return [
    `netns add ${host}`,
    `link add to-${host} type veth peer name wan netns ${host}`,
    `link set to-${host} netns ${carrier}`,
  ];
}

/** The clients' ends are made here and the other ends sent into the router, where its `lan` bridge joins them. */
function createLan({ router, clients }: LabSide): string[] {
  return clients.flatMap(({ host }) => [
    `netns add ${host}`,
    `link add to-${host} type veth peer name eth0 netns ${host}`,
    `link set to-${host} netns ${router}`,
  ]);
}
