import { natRules } from './behaviour.ts';
import { routerCounterRules, serverCounterRules } from './counter-rules.ts';
import { type LabSide, PUBLIC_PREFIX_LENGTH, type Topology } from './topology.ts';

/**
 * The whole lab as one shell script for the namespace that plays the internet: all links in one `ip -batch`, then
 * per namespace one `ip -batch` and one `nft -f`, which is what keeps set-up below a second.
 */
export function setupScript(topology: Topology): string {
  return [
    batch(createLinks(topology)),
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

function createLinks({ server, sides }: Topology): string[] {
  return [
    'link set lo up',
    'link add internet type bridge',
    'link set internet up',
    ...attach(server.host, 'eth0', 'internet'),
    ...sides.flatMap((side) => [...attach(side.router, 'wan', 'internet'), ...createLan(side)]),
  ];
}

/** A namespace whose `device` is a port of the bridge that plays the internet. */
function attach(host: string, device: string, bridge: string): string[] {
  return [
    `netns add ${host}`,
    `link add port-${host} type veth peer name ${device} netns ${host}`,
    `link set port-${host} master ${bridge} up`,
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
