import type { Topology } from './topology.ts';

/** Named nftables counters; what they hold is documented at {@link LabCounters}. */
export const SERVER_COUNTERS = ['stun_in', 'stun_out', 'relay_in', 'relay_out', 'tcp_in', 'tcp_out'] as const;
export const ROUTER_COUNTERS = ['server_in', 'server_out', 'direct_in', 'direct_out'] as const;

/** The UDP ports on which a supernode serves clients by default; every other UDP port of it is a relay port. */
const STUN_PORTS = '{ 3478, 3479 }';

function declarations(names: readonly string[]): string {
  return names.map((name) => `  counter ${name} { }\n`).join('');
}

/** Counts on the server's own interface, so that what it sends itself over loopback is not traffic. */
export function serverCounterRules(): string {
  return `table inet traffic {
${declarations(SERVER_COUNTERS)}
  chain arriving {
    type filter hook input priority filter;
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
 * that is the real one in both directions (the inside address is not yet, or no longer, translated).
 */
export function routerCounterRules({ server }: Topology): string {
  const addresses = `{ ${server.addresses.join(', ')} }`;
  return `table ip traffic {
${declarations(ROUTER_COUNTERS)}
  chain passing {
    type filter hook forward priority filter + 10;
    iifname "wan" meta l4proto udp ip saddr ${addresses} counter name server_in return
    iifname "wan" meta l4proto udp counter name direct_in
    oifname "wan" meta l4proto udp ip daddr ${addresses} counter name server_out return
    oifname "wan" meta l4proto udp counter name direct_out
  }
}
`;
}
