/** RFC 8656 section 2: the combination of an IP address and a port. */
export type AddressFamily = 'ipv4' | 'ipv6';

/** An IP address in its canonical text form (RFC 5952 for IPv6, no zone) with a port (0 to 65535). */
export interface TransportAddress {
  readonly family: AddressFamily;
  readonly address: string;
  readonly port: number;
}

/** A map key that is equal exactly for equal transport addresses (both in canonical form). */
export function transportAddressKey(address: TransportAddress): string {
  return `${address.address}|${address.port}`;
}

/** `192.0.2.1:3478` or `[2001:db8::1]:3478`, for logs and reports. */
export function formatTransportAddress(address: TransportAddress): string {
  return address.family === 'ipv6'
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}

export function sameTransportAddress(a: TransportAddress, b: TransportAddress): boolean {
  return a.port === b.port && a.address === b.address;
}
