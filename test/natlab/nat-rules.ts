import { isUserSpace, type NatBehaviour } from './behaviour.ts';

/** The interface towards the internet is `wan` in every NAT, and `lan` the one towards its clients. */
export interface NatRuleOptions {
  readonly behaviour: NatBehaviour;
  /** The address on the public side. */
  readonly wan: string;
  /** How often the NAT forgot its mappings: another number, other outside ports. @default 0 */
  readonly generation?: number;
  /** Whether unsolicited packets reach the router itself. @default false */
  readonly openWan?: boolean;
}

/** Marks packets for the program that translates in place of the kernel. */
export const USER_SPACE_MARK = 1;

/** Outside ports of sequential allocation; each generation begins elsewhere, and step 7 stays below 65,536. */
const SEQUENTIAL_FIRST_PORT = 20_000;
const SEQUENTIAL_PORTS = 4_096;
const SEQUENTIAL_SHIFT = 3_000;
const SEQUENTIAL_GENERATIONS = 4;

/** Outside ports of a NAT that lost its mappings and no longer has those that its clients ask for. */
const MOVED_FIRST_PORT = 20_000;
const MOVED_PORTS = 5_000;
const MOVED_GENERATIONS = 8;

/** A prerouting nat chain must exist, even empty, for replies to be translated. */
const NO_INBOUND_RULES = 'chain pre { type nat hook prerouting priority dstnat; }';

/**
 * Source translation by the kernel: port preserving at first, and only the contacted address and port may answer. The kernel
 * uses the mapping of a socket again for other destinations, so it is independent of them with a range of ports too.
 */
export function masquerade(generation = 0): string {
  if (generation === 0) return 'oifname "wan" masquerade';
  const first = MOVED_FIRST_PORT + ((generation - 1) % MOVED_GENERATIONS) * MOVED_PORTS;
  return `oifname "wan" meta l4proto udp masquerade to :${first}-${first + MOVED_PORTS - 1}
    oifname "wan" masquerade`;
}

function plain(generation: number): string {
  return `
  ${NO_INBOUND_RULES}
  chain post {
    type nat hook postrouting priority srcnat;
    ${masquerade(generation)}
  }`;
}

/**
 * Masquerading, plus a map from the outside port to the inside socket, learnt after translation, through which
 * packets of strangers come in: of every stranger, or with `remote` in the key of contacted addresses only.
 */
function learntMap(
  remote: { key: string; lookup: string; outbound: string; inbound: string },
  generation: number,
): string {
  return `
  map learnt {
    typeof ${remote.key}udp dport : ip daddr . udp dport
    size 65535
    flags dynamic,timeout
    timeout 120s
  }
  chain pre {
    type nat hook prerouting priority dstnat;
    iifname "wan" meta l4proto udp dnat to ${remote.lookup}udp dport map @learnt
  }
  chain post {
    type nat hook postrouting priority srcnat;
    ${masquerade(generation)}
  }
  chain learn {
    type filter hook postrouting priority srcnat + 10;
    oifname "wan" meta l4proto udp ct direction original update @learnt { ${remote.outbound}ct reply proto-dst : ct original ip saddr . ct original proto-src }
    oifname "wan" meta l4proto udp ct direction reply ct status dnat update @learnt { ${remote.inbound}ct original proto-dst : ct reply ip saddr . ct reply proto-src }
  }`;
}

const ANY_REMOTE = { key: '', lookup: '', outbound: '', inbound: '' };
const CONTACTED_ADDRESS = {
  key: 'ip saddr . ',
  lookup: 'ip saddr . ',
  outbound: 'ip daddr . ',
  inbound: 'ip daddr . ',
};

function randomPorts(): string {
  return `
  ${NO_INBOUND_RULES}
  chain post {
    type nat hook postrouting priority srcnat;
    oifname "wan" meta l4proto udp masquerade random,fully-random
    oifname "wan" masquerade
  }`;
}

function sequentialPorts(wan: string, step: number, generation: number): string {
  const first = SEQUENTIAL_FIRST_PORT + (generation % SEQUENTIAL_GENERATIONS) * SEQUENTIAL_SHIFT;
  const ports = Array.from({ length: SEQUENTIAL_PORTS }, (_, turn) => `${turn} : ${first + turn * step}`);
  return `
  ${NO_INBOUND_RULES}
  chain post {
    type nat hook postrouting priority srcnat;
    oifname "wan" meta l4proto udp snat to ${wan} : numgen inc mod ${SEQUENTIAL_PORTS} map { ${ports.join(', ')} }
    oifname "wan" masquerade
  }`;
}

/** UDP of both directions goes to a program and comes back translated; the kernel translates the rest. */
function userSpace(wan: string): string {
  return `
  ${NO_INBOUND_RULES}
  chain untracked {
    type filter hook prerouting priority raw;
    meta l4proto udp notrack
  }
  chain divert {
    type filter hook prerouting priority mangle;
    iifname "lan" meta l4proto udp meta mark set ${USER_SPACE_MARK}
    iifname "wan" meta l4proto udp ip daddr ${wan} meta mark set ${USER_SPACE_MARK}
  }
  chain post {
    type nat hook postrouting priority srcnat;
    oifname "wan" meta l4proto != udp masquerade
  }`;
}

/** Web traffic only, as in a strict office: UDP is refused, not swallowed. */
const BLOCK_UDP = `
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    oifname "wan" tcp dport 443 accept
    reject with icmp type admin-prohibited
  }`;

/**
 * An unsolicited packet that reaches the NAT itself would leave a conntrack entry, and a later mapping would be
 * refused its port; so the router drops what is new, as sold routers do.
 */
const CLOSED_WAN = `
  chain input {
    type filter hook input priority filter;
    iifname "wan" ct state new drop
  }`;

function translation({ behaviour, wan, generation = 0 }: NatRuleOptions): string {
  switch (behaviour) {
    case 'none':
      return '';
    case 'endpoint-independent/endpoint-independent':
      return learntMap(ANY_REMOTE, generation);
    case 'endpoint-independent/address-dependent':
      return learntMap(CONTACTED_ADDRESS, generation);
    case 'endpoint-independent/address-and-port-dependent':
    case 'udp-blocked':
      return plain(generation);
    case 'address-dependent/random-ports':
      return userSpace(wan);
    case 'address-and-port-dependent/random-ports':
      return randomPorts();
    case 'address-and-port-dependent/sequential-ports':
      return sequentialPorts(wan, 1, generation);
    case 'address-and-port-dependent/sequential-ports-step-2':
      return sequentialPorts(wan, 2, generation);
    case 'address-and-port-dependent/sequential-ports-step-7':
      return sequentialPorts(wan, 7, generation);
  }
}

/** The nftables rules that make a router behave as asked. */
export function natRules(options: NatRuleOptions): string {
  const { behaviour, openWan = false } = options;
  const blocks = [translation(options)];
  if (behaviour !== 'none' && !openWan && !isUserSpace(behaviour)) blocks.push(CLOSED_WAN);
  if (behaviour === 'udp-blocked') blocks.push(BLOCK_UDP);
  return `table ip nat {${blocks.join('\n')}\n}\n`;
}

/** The same for a router that has such rules already; its mappings live on until its connection table is emptied. */
export function changedNatRules(options: NatRuleOptions): string {
  return `delete table ip nat\n${natRules(options)}`;
}

/** Addresses between a carrier's NAT and those of its customers (RFC 6598). */
const CARRIER_NETWORK = '100.64.0.0/10';

/**
 * A carrier's NAT in front of the NATs of homes: mapping and filtering independent of the endpoint, as RFC 6888 asks for. With
 * hairpinning (RFC 4787 REQ-9) two homes reach each other by their public addresses; without, what a home sends there is
 * dropped.
 */
export function carrierRules(wan: string, hairpinning: boolean): string {
  const arriving = hairpinning ? `ip daddr ${wan}` : 'iifname "wan"';
  return `table ip nat {
  map learnt {
    typeof udp dport : ip daddr . udp dport
    size 65535
    flags dynamic,timeout
    timeout 120s
  }
  chain pre {
    type nat hook prerouting priority dstnat;
    ${arriving} meta l4proto udp dnat to udp dport map @learnt
  }
  chain post {
    type nat hook postrouting priority srcnat;
    oifname "wan" masquerade
    oifname "lan" ip saddr ${CARRIER_NETWORK} ct status dnat meta l4proto udp snat to ${wan}
  }
  chain learn {
    type filter hook postrouting priority srcnat + 10;
    oifname "wan" meta l4proto udp ct direction original update @learnt { ct reply proto-dst : ct original ip saddr . ct original proto-src }
    oifname "wan" meta l4proto udp ct direction reply ct status dnat update @learnt { ct original proto-dst : ct reply ip saddr . ct reply proto-src }
  }
  chain input {
    type filter hook input priority filter;
    ct state new meta l4proto udp drop
    iifname "wan" ct state new drop
  }
}
`;
}

/** A router without translation that lets answers in and nothing else (RFC 6092). */
export const IPV6_FIREWALL = `table ip6 firewall {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan" accept
  }
}
`;
