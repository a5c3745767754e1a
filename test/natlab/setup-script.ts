import { isUserSpace } from './behaviour.ts';
import { routerCounterRules, serverCounterRules } from './counter-rules.ts';
import {
  INTERNET_LINK_ADDRESS,
  type InternetKind,
  internetScript,
  SERVER_LINK_ADDRESS,
} from './internet-script.ts';
import { carrierRules, IPV6_FIREWALL, natRules, USER_SPACE_MARK } from './nat-rules.ts';
import { batch, inHost, NO_RULES_FOR_BRIDGED, rules } from './shell.ts';
import {
  IPV6_NETWORK,
  type LabCarrier,
  type LabClient,
  type LabSide,
  PUBLIC_PREFIX_LENGTH,
  type Topology,
} from './topology.ts';

/** The device of the program that translates in place of the kernel. */
export const USER_SPACE_DEVICE = 'translator';
const LAN_LINK_ADDRESS = 'fe80::1';
const USER_SPACE_TABLE = 101;

/**
 * The whole lab as one shell script for the namespace that plays the internet: all links in one `ip -batch`, then
 * per namespace one `ip -batch` and one `nft -f`, which is what keeps set-up below a second.
 */
export function setupScript(topology: Topology, kind: InternetKind = 'bridged'): string {
  return [
    internetScript(topology, kind),
    serverScript(topology),
    ...topology.carriers.map((carrier) => carrierScript(carrier, topology)),
    ...topology.sides.flatMap((side) => [
      routerScript(side, topology),
      ...side.clients.map((client) => clientScript(client, side)),
    ]),
  ].join('\n');
}

function serverScript(topology: Topology): string {
  const { host, addresses, ipv6Addresses } = topology.server;
  const configured = [
    'link set lo up',
    ...addresses.map((address) => `address add ${address}/${PUBLIC_PREFIX_LENGTH} dev eth0`),
    'link set eth0 addrgenmode none up',
    ...routesToPublicSides(topology),
  ];
  const ipv6 = [
    `address add ${SERVER_LINK_ADDRESS}/64 dev eth0 nodad`,
    ...ipv6Addresses.map((address) => `address add ${address}/128 dev eth0 nodad`),
    `route add ${IPV6_NETWORK} via ${INTERNET_LINK_ADDRESS} dev eth0`,
  ];
  return inHost(host, [
    batch(configured),
    ...(ipv6Addresses.length > 0 ? [batch(ipv6, '-6 ')] : []),
    rules(serverCounterRules()),
  ]);
}

function carrierScript(carrier: LabCarrier, topology: Topology): string {
  const customers = topology.sides.filter((side) => side.carrier === carrier);
  return inHost(carrier.router, [
    NO_RULES_FOR_BRIDGED,
    batch([
      'link set lo up',
      'link add lan type bridge',
      // homes reach each other through the carrier's NAT only
      ...customers.flatMap(({ router }) => [
        `link set to-${router} master lan up`,
        `link set to-${router} type bridge_slave isolated on`,
      ]),
      `address add ${carrier.wanAddress}/${PUBLIC_PREFIX_LENGTH} dev wan`,
      `address add ${carrier.customerAddress}/24 dev lan`,
      'link set lan up',
      'link set wan up',
      ...routesToPublicSides(topology),
    ]),
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    // between two customers there is no shorter way that they could take
    'echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects',
    'echo 0 > /proc/sys/net/ipv4/conf/lan/send_redirects',
    rules(carrierRules(carrier.wanAddress, carrier.hairpinning)),
  ]);
}

function routerScript(side: LabSide, topology: Topology): string {
  const { behaviour, wanAddress, openWan, ipv6, mappingLifetimeSeconds } = side;
  const nat = natRules({ behaviour, wan: wanAddress, openWan });
  const firewall = ipv6?.filter === 'stateful-firewall' ? IPV6_FIREWALL : '';
  return inHost(side.router, [
    NO_RULES_FOR_BRIDGED,
    batch(routerAddresses(side, topology)),
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    ...(isUserSpace(behaviour) ? userSpaceRoutes() : []),
    ...(ipv6 === undefined
      ? []
      : ['echo 1 > /proc/sys/net/ipv6/conf/all/forwarding', batch(ipv6Routes(side), '-6 ')]),
    rules(nat + firewall + routerCounterRules(topology, behaviour)),
    ...(mappingLifetimeSeconds === undefined ? [] : mappingLifetime(mappingLifetimeSeconds)),
  ]);
}

/** The kernel knows these settings once rules of the namespace track connections. */
function mappingLifetime(seconds: number): string[] {
  return ['udp_timeout', 'udp_timeout_stream'].map(
    (name) => `echo ${seconds} > /proc/sys/net/netfilter/nf_conntrack_${name}`,
  );
}

function routerAddresses(side: LabSide, topology: Topology): string[] {
  const { carrier, wanAddress } = side;
  const toInternet =
    carrier === undefined
      ? [
          `address add ${wanAddress}/${PUBLIC_PREFIX_LENGTH} dev wan`,
          'link set wan addrgenmode none up',
          ...routesToPublicSides(topology, side),
        ]
      : [
          `address add ${wanAddress}/24 dev wan`,
          'link set wan addrgenmode none up',
          `route add default via ${carrier.customerAddress}`,
        ];
  return [
    'link set lo up',
    'link add lan type bridge',
    ...side.clients.map(({ host }) => `link set to-${host} master lan up`),
    `address add ${side.lanAddress}/24 dev lan`,
    'link set lan addrgenmode none up',
    ...toInternet,
  ];
}

/**
 * Marked packets go to the program, also those for the router's own address, which is why its table is no longer the first one;
 * what comes back may carry the router's own address as its source.
 */
function userSpaceRoutes(): string[] {
  const settings = `/proc/sys/net/ipv4/conf/${USER_SPACE_DEVICE}`;
  return [
    batch([
      `tuntap add dev ${USER_SPACE_DEVICE} mode tun`,
      `link set ${USER_SPACE_DEVICE} up`,
      `route add default dev ${USER_SPACE_DEVICE} table ${USER_SPACE_TABLE}`,
      `rule add pref 50 fwmark ${USER_SPACE_MARK} lookup ${USER_SPACE_TABLE}`,
      'rule add pref 100 lookup local',
      'rule delete pref 0',
    ]),
    'echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter',
    `echo 0 > ${settings}/rp_filter`,
    `echo 1 > ${settings}/accept_local`,
  ];
}

function ipv6Routes({ ipv6 }: LabSide): string[] {
  if (ipv6 === undefined) return [];
  return [
    `address add ${ipv6.linkAddress}/64 dev wan nodad`,
    `address add ${ipv6.lanAddress}/64 dev lan nodad`,
    // without one the kernel asks for no neighbour on behalf of others
    `address add ${LAN_LINK_ADDRESS}/64 dev lan nodad`,
    `route add ${IPV6_NETWORK} via ${INTERNET_LINK_ADDRESS} dev wan`,
  ];
}

/** Clients without a NAT have public addresses of their own behind their router. */
function routesToPublicSides({ sides }: Topology, except?: LabSide): string[] {
  return sides
    .filter((side) => side.behaviour === 'none' && side !== except)
    .map((side) => `route add ${side.lanNetwork} via ${side.wanAddress}`);
}

function clientScript(client: LabClient, side: LabSide): string {
  return inHost(client.host, [
    batch(['link set lo up', 'link set eth0 addrgenmode none up']),
    ...clientAddresses(client, side),
  ]);
}

function clientAddresses({ address, ipv6Address }: LabClient, { lanAddress, ipv6 }: LabSide): string[] {
  return [
    batch([`address add ${address}/24 dev eth0`, `route add default via ${lanAddress}`]),
    ...(ipv6 === undefined || ipv6Address === undefined
      ? []
      : [
          batch(
            [
              `address add ${ipv6Address}/64 dev eth0 nodad`,
              `route add default via ${ipv6.lanAddress} dev eth0`,
            ],
            '-6 ',
          ),
        ]),
  ];
}

/** Takes the cable of a machine out of one router and puts it into another, where the machine gets other addresses. */
export function moveScript(guest: LabClient, from: LabSide, to: LabSide): string {
  const cable = `to-${guest.host}`;
  return [
    inHost(from.router, [`ip link set ${cable} netns ${to.router}`]),
    inHost(to.router, [`ip link set ${cable} master lan up`]),
    inHost(guest.host, ['ip address flush dev eth0 scope global', ...clientAddresses(guest, to)]),
  ].join('\n');
}
