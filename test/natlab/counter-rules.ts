import { isUserSpace, type NatBehaviour } from './behaviour.ts';
import type { Topology } from './topology.ts';

/** Named nftables counters; what they hold is documented at {@link LabCounters}. */
export const SERVER_COUNTERS = ['stun_in', 'stun_out', 'relay_in', 'relay_out', 'tcp_in', 'tcp_out'] as const;
export const ROUTER_COUNTERS = ['server_in', 'server_out', 'direct_in', 'direct_out'] as const;

/** The UDP ports on which a supernode serves clients by default; every other UDP port of it is a relay port. */
const STUN_PORTS = '{ 3478, 3479 }';

/** Where traffic goes that only has to pass a NAT (RFC 863); it is not counted and not answered. */
export const DISCARD_PORT = 9;

function declarations(names: readonly string[]): string {
  return names.map((name) => `  counter ${name} { }\n`).join('');
}

/** Counts on the server's own interface, so that what it sends itself over loopback is not traffic. */
export function serverCounterRules(): string {
  return `table inet traffic {
${declarations(SERVER_COUNTERS)}
  chain arriving {
    type filter hook input priority filter;
    iifname "eth0" udp dport ${DISCARD_PORT} drop
    iifname "eth0" udp dport ${STUN_PORTS} counter name stun_in return
    iifname "eth0" meta l4proto udp counter name relay_in
    iifname "eth0" meta l4proto tcp counter name tcp_in
  }
  chain leaving {
    type filter hook output priority filter;
    oifname "eth0" udp sport ${STUN_PORTS} counter name stun_out return
    oifname "eth0" meta l4proto udp counter name relay_out
    oifname "eth0" meta l4proto tcp counter name tcp_out
  }
}
`;
}

/**
 * Counts UDP that passes the router, after its filter has let it pass, by the remote address: at the forward hook
 * that is the real one in both directions (the inside address is not yet, or no longer, translated). Where a program translates,
 * packets pass twice, and what it lets in comes from its device.
 */
export function routerCounterRules({ server }: Topology, behaviour: NatBehaviour): string {
  const arrives = isUserSpace(behaviour) ? 'iifname != "wan" oifname "lan"' : 'iifname "wan"';
  const families = [
    { family: 'ip', addresses: server.addresses },
    { family: 'ip6', addresses: server.ipv6Addresses },
  ].filter(({ addresses }) => addresses.length > 0);
  const toServer = (direction: 'saddr' | 'daddr', rule: (match: string) => string): string =>
    families
      .map(({ family, addresses }) => `    ${rule(`${family} ${direction} { ${addresses.join(', ')} }`)}`)
      .join('\n');
  return `table inet traffic {
${declarations(ROUTER_COUNTERS)}
  chain passing {
    type filter hook forward priority filter + 10;
${toServer('saddr', (match) => `${arrives} meta l4proto udp ${match} counter name server_in return`)}
    ${arrives} meta l4proto udp counter name direct_in
${toServer('daddr', (match) => `oifname "wan" meta l4proto udp ${match} counter name server_out return`)}
    oifname "wan" meta l4proto udp counter name direct_out
  }
}
`;
}
