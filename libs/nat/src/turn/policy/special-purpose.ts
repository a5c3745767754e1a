/**
 * The IANA special-purpose address registries (RFC 6890 and successors), the multicast ranges and the ranges that were
 * withdrawn. Anything here may be inside of somebody's network or mean something other than a host on the internet, so
 * a relay that sends there lends its position to whoever asks.
 */
import { ipPrefix, prefixContains, type IpPrefix } from './ip-prefix.ts';

/** Range and what it is for. */
export const SPECIAL_PURPOSE_RANGES: readonly (readonly [range: string, name: string])[] = [
  ['0.0.0.0/8', 'this network'],
  ['10.0.0.0/8', 'private use'],
  ['100.64.0.0/10', 'shared address space'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link local'],
  ['172.16.0.0/12', 'private use'],
  ['192.0.0.0/24', 'IETF protocol assignments'],
  ['192.0.2.0/24', 'documentation'],
  ['192.31.196.0/24', 'AS112'],
  ['192.52.193.0/24', 'AMT'],
  ['192.88.99.0/24', '6to4 relay anycast, withdrawn'],
  ['192.168.0.0/16', 'private use'],
  ['192.175.48.0/24', 'AS112 direct delegation'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved, with limited broadcast'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['::/96', 'IPv4-compatible, withdrawn'],
  ['::ffff:0.0.0.0/96', 'IPv4-mapped'],
  ['64:ff9b:1::/48', 'local-use IPv4/IPv6 translation'],
  ['100::/64', 'discard only'],
  ['100:0:0:1::/64', 'dummy prefix'],
  ['2001::/23', 'IETF protocol assignments, with Teredo, benchmarking and ORCHID'],
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', '6to4'],
  ['2620:4f:8000::/48', 'AS112 direct delegation'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'segment routing SIDs'],
  ['fc00::/7', 'unique local'],
  ['fe80::/10', 'link local'],
  ['fec0::/10', 'site local, withdrawn'],
  ['ff00::/8', 'multicast'],
];

const PREFIXES = SPECIAL_PURPOSE_RANGES.map(([range]) => ipPrefix(range));
const GLOBAL_UNICAST = ipPrefix('2000::/3');
const NAT64: IpPrefix = ipPrefix('64:ff9b::/96');
const NAT64_LOCAL = ipPrefix('64:ff9b:1::/48');
const IPV4_MAPPED = ipPrefix('::ffff:0.0.0.0/96');
const IPV4_COMPATIBLE = ipPrefix('::/96');
const SIX_TO_FOUR = ipPrefix('2002::/16');
const TEREDO = ipPrefix('2001::/32');

/**
 * True for every address that is not plainly a unicast host of the public internet; IPv6 outside of 2000::/3 is one, except
 * for the well-known NAT64 prefix, whose embedded address decides (see {@link embeddedIpv4}).
 */
export function isSpecialPurpose(address: Uint8Array): boolean {
  if (PREFIXES.some((prefix) => prefixContains(prefix, address))) return true;
  return address.length === 16 && !prefixContains(GLOBAL_UNICAST, address) && !prefixContains(NAT64, address);
}

/** The IPv4 addresses that an IPv6 address stands for: mapped, compatible, NAT64, 6to4, Teredo (server and client). */
export function embeddedIpv4(address: Uint8Array): readonly Uint8Array[] {
  if (address.length !== 16) return [];
  const last = address.subarray(12, 16);
  if ([IPV4_MAPPED, IPV4_COMPATIBLE, NAT64, NAT64_LOCAL].some((prefix) => prefixContains(prefix, address)))
    return [last];
  if (prefixContains(SIX_TO_FOUR, address)) return [address.subarray(2, 6)];
  // RFC 4380 section 4: the client's address is stored with all bits inverted.
  if (prefixContains(TEREDO, address)) return [address.subarray(4, 8), last.map((byte) => byte ^ 0xff)];
  return [];
}
