/**
 * NAT behaviours in the words of RFC 4787, `mapping/filtering`, as kernel rules. The interface towards the internet
 * is `wan` in every NAT. What a rule set makes is proved by probes in `natlab.spec.ts`, never assumed.
 */
export const NAT_BEHAVIOURS = [
  'none',
  'endpoint-independent/endpoint-independent',
  'endpoint-independent/address-dependent',
  'endpoint-independent/address-and-port-dependent',
  'address-and-port-dependent/random-ports',
  'address-and-port-dependent/sequential-ports',
  'udp-blocked',
] as const;

/** One of {@link NAT_BEHAVIOURS}. `none`: public addresses and no filter. */
export type NatBehaviour = (typeof NAT_BEHAVIOURS)[number];

const SEQUENTIAL_FIRST_PORT = 30_000;
const SEQUENTIAL_PORTS = 4_096;

/** A prerouting nat chain must exist, even empty, for replies to be translated. */
const NO_INBOUND_RULES = 'chain pre { type nat hook prerouting priority dstnat; }';

/** Source translation by the kernel: port preserving, and only the contacted address and port may answer. */
const MASQUERADE = `
  ${NO_INBOUND_RULES}
  chain post {
    type nat hook postrouting priority srcnat;
    oifname "wan" masquerade
  }`;

/**
 * Masquerading, plus a map from the outside port to the inside socket, learnt after translation, through which
 * packets of strangers come in: of every stranger, or with `remote` in the key of contacted addresses only.
 */
function learntMap(remote: { key: string; lookup: string; outbound: string; inbound: string }): string {
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
    oifname "wan" masquerade
  }
  chain learn {
    type filter hook postrouting priority srcnat + 10;
    oifname "wan" meta l4proto udp ct direction original update @learnt { ${remote.outbound}ct reply proto-dst : ct original ip saddr . ct original proto-src }
    oifname "wan" meta l4proto udp ct direction reply ct status dnat update @learnt { ${remote.inbound}ct original proto-dst : ct reply ip saddr . ct reply proto-src }
  }`;
}

function randomPorts(): string {
  return `
  ${NO_INBOUND_RULES}
  chain post {
    type nat hook postrouting priority srcnat;
    oifname "wan" meta l4proto udp masquerade random,fully-random
    oifname "wan" masquerade
  }`;
}

function sequentialPorts(wan: string): string {
  const ports = Array.from(
    { length: SEQUENTIAL_PORTS },
    (_, step) => `${step} : ${SEQUENTIAL_FIRST_PORT + step}`,
  );
  return `
  ${NO_INBOUND_RULES}
  chain post {
    type nat hook postrouting priority srcnat;
    oifname "wan" meta l4proto udp snat to ${wan} : numgen inc mod ${SEQUENTIAL_PORTS} map { ${ports.join(', ')} }
    oifname "wan" masquerade
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

const translations: Record<NatBehaviour, (wan: string) => string> = {
  none: () => '',
  'endpoint-independent/endpoint-independent': () =>
    learntMap({ key: '', lookup: '', outbound: '', inbound: '' }),
  'endpoint-independent/address-dependent': () =>
    learntMap({
      key: 'ip saddr . ',
      lookup: 'ip saddr . ',
      outbound: 'ip daddr . ',
      inbound: 'ip daddr . ',
    }),
  'endpoint-independent/address-and-port-dependent': () => MASQUERADE,
  'address-and-port-dependent/random-ports': randomPorts,
  'address-and-port-dependent/sequential-ports': sequentialPorts,
  'udp-blocked': () => MASQUERADE,
};

/** The nftables rules that make a router with the public address `wan` behave as asked. */
export function natRules(behaviour: NatBehaviour, wan: string): string {
  const blocks = [translations[behaviour](wan)];
  if (behaviour !== 'none') blocks.push(CLOSED_WAN);
  if (behaviour === 'udp-blocked') blocks.push(BLOCK_UDP);
  return `table ip nat {${blocks.join('\n')}\n}\n`;
}
