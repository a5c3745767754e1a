import { transportAddressKey, type TransportAddress } from './transport-address.ts';

/** RFC 8656 section 2: client address, server address and transport protocol; names one client at a TURN server. */
export interface FiveTuple {
  readonly client: TransportAddress;
  readonly server: TransportAddress;
  readonly protocol: 'udp' | 'tcp' | 'tls';
}

export function fiveTupleKey(tuple: FiveTuple): string {
  return `${tuple.protocol}|${transportAddressKey(tuple.client)}|${transportAddressKey(tuple.server)}`;
}
