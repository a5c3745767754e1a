import { formatIpAddress, parseIpv6 } from './ip-address.ts';
import type { TransportAddress } from './transport-address.ts';

const IPV6_SUBNET_BYTES = 8;

/** Whom a budget counts as one source: an IPv4 address, or the IPv6 /64 that a single customer can fill with addresses. */
export function sourcePrefix({ family, address }: TransportAddress): string {
  if (family === 'ipv4') return address;
  const bytes = parseIpv6(address);
  return bytes === undefined ? address : formatIpAddress(bytes.fill(0, IPV6_SUBNET_BYTES));
}
