import { natRules } from './behaviour.ts';
import { routerCounterRules, serverCounterRules } from './counter-rules.ts';
import { type LabSide, PUBLIC_PREFIX_LENGTH, type Topology } from './topology.ts';

/** The device through which everything that crosses an internet with distances goes. */
export const DISTANCE_DEVICE = 'distance';
const DISTANCE_TABLE = 100;
/** Bursts of several sessions; what overflows is lost. */
const DISTANCE_QUEUE_PACKETS = 10_000;
/** The internet's own address, on every port of it; asked for by nobody. */
const INTERNET_ADDRESS = '198.18.255.254';

/** How the machines on the internet reach each other: at once, or through a device that holds every packet back. */
export type InternetKind = 'bridged' | 'routed-through-distance';

/**
 * The whole lab as one shell script for the namespace that plays the internet: all links in one `ip -batch`, then
 * per namespace one `ip -batch` and one `nft -f`, which is what keeps set-up below a second.
 */
export function setupScript(topology: Topology, kind: InternetKind = 'bridged'): string {
  return [
    ...(kind === 'bridged' ? [batch(bridgedInternet(topology))] : routedInternet(topology)),
    inHost(topology.server.host, [batch(serverAddresses(topology)), rules(serverCounterRules())]),
    ...topology.sides.flatMap((side) => [
      inHost(side.router, [
        batch(routerAddresses(side, topology)),
        'echo 1 > /proc/sys/net/ipv4/ip_forward',
        rules(natRules(side.behaviour, side.wanAddress) + routerCounterRules(topology)),
      ]),
      ...side.clients.map(({ host, address }) =>
        inHost(host, [batch(clientAddresses(address, side.lanAddress))]),
      ),
    ]),
  ].join('\n');
}

function bridgedInternet(topology: Topology): string[] {
  return [
    'link set lo up',
    'link add internet type bridge',
    'link set internet up',
    ...createLinks(topology),
    ...portsOf(topology).map(({ port }) => `link set ${port} master internet up`),
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
    `link set ${port} up`,
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
    `link set ${DISTANCE_DEVICE} txqueuelen ${DISTANCE_QUEUE_PACKETS} up`,
    `route add default dev ${DISTANCE_DEVICE} table ${DISTANCE_TABLE}`,
  ];
  return [
    batch(['link set lo up', ...createLinks(topology), ...device, ...routes]),
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    'echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter',
    `echo 0 > /proc/sys/net/ipv4/conf/${DISTANCE_DEVICE}/rp_filter`,
    ...settings,
  ];
}

/** The ports of the internet, and what lies behind each. */
function portsOf({ server, sides }: Topology): InternetPort[] {
  return [
    { port: `port-${server.host}`, networks: server.addresses.map((address) => ({ network: address })) },
    ...sides.map(({ router, wanAddress, behaviour, lanNetwork }) => ({
      port: `port-${router}`,
      networks: [
        { network: wanAddress },
        ...(behaviour === 'none' ? [{ network: lanNetwork, via: wanAddress }] : []),
      ],
    })),
  ];
}

interface InternetPort {
  readonly port: string;
  readonly networks: readonly { readonly network: string; readonly via?: string }[];
}

function createLinks({ server, sides }: Topology): string[] {
  return [
    ...attach(server.host, 'eth0'),
    ...sides.flatMap((side) => [...attach(side.router, 'wan'), ...createLan(side)]),
  ];
}

/** A namespace whose `device` leads to a port of the internet. */
function attach(host: string, device: string): string[] {
  return [`netns add ${host}`, `link add port-${host} type veth peer name ${device} netns ${host}`];
}

/** The clients' ends are made here and the other ends sent into the router, where its `lan` bridge joins them. */
function createLan({ router, clients }: LabSide): string[] {
  return clients.flatMap(({ host }) => [
    `netns add ${host}`,
    `link add to-${host} type veth peer name eth0 netns ${host}`,
    `link set to-${host} netns ${router}`,
  ]);
}

function serverAddresses(topology: Topology): string[] {
  return [
    'link set lo up',
    ...topology.server.addresses.map((address) => `address add ${address}/${PUBLIC_PREFIX_LENGTH} dev eth0`),
    'link set eth0 up',
    ...routesToPublicSides(topology),
  ];
}

function routerAddresses(side: LabSide, topology: Topology): string[] {
  return [
    'link set lo up',
    'link add lan type bridge',
    ...side.clients.map(({ host }) => `link set to-${host} master lan up`),
    `address add ${side.wanAddress}/${PUBLIC_PREFIX_LENGTH} dev wan`,
    `address add ${side.lanAddress}/24 dev lan`,
    'link set lan up',
    'link set wan up',
    ...routesToPublicSides(topology, side),
  ];
}

/** Clients without a NAT have public addresses of their own behind their router. */
function routesToPublicSides({ sides }: Topology, except?: LabSide): string[] {
  return sides
    .filter((side) => side.behaviour === 'none' && side !== except)
    .map((side) => `route add ${side.lanNetwork} via ${side.wanAddress}`);
}

function clientAddresses(address: string, gateway: string): string[] {
  return [
    'link set lo up',
    `address add ${address}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${gateway}`,
  ];
}

function batch(lines: readonly string[]): string {
  return `ip -batch - <<'BATCH'\n${lines.join('\n')}\nBATCH`;
}

function rules(text: string): string {
  return `nft -f - <<'RULES'\n${text}RULES`;
}

function inHost(host: string, commands: readonly string[]): string {
  return `nsenter --net=/run/netns/${host} sh -eu <<'HOST'\n${commands.join('\n')}\nHOST`;
}
