import type { AddressFamily } from '../../net/transport-address.ts';

const NUMBERS: Readonly<Record<AddressFamily, number>> = { ipv4: 0x01, ipv6: 0x02 };

/** The family number of STUN addresses (RFC 8489 section 14.1). */
export function addressFamilyNumber(family: AddressFamily): number {
  return NUMBERS[family];
}

export function addressFamilyOf(number: number): AddressFamily | undefined {
  if (number === NUMBERS.ipv4) return 'ipv4';
  return number === NUMBERS.ipv6 ? 'ipv6' : undefined;
}
