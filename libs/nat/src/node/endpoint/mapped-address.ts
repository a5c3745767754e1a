import { parseIpAddress } from '../../net/ip-address.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { isSpecialPurpose } from '../../turn/policy/special-purpose.ts';

/**
 * Whether the address that a gateway claims for us can be one outside: a public one, or the one at which a STUN server sees us
 * too. Any other is behind a further NAT (RFC 6890 ranges), where the port was not mapped.
 */
export function isReachableClaim(claimed: TransportAddress, reflexive: readonly TransportAddress[]): boolean {
  const bytes = parseIpAddress(claimed.address);
  if (bytes === undefined || claimed.port === 0) return false;
  return !isSpecialPurpose(bytes) || reflexive.some(({ address }) => address === claimed.address);
}
