import { transportAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import type { CandidateBase, IceCandidate, LocalCandidate } from './candidate.ts';
import { candidatePriority, MAX_LOCAL_PREFERENCE } from './candidate-priority.ts';

/**
 * Stands for both ends of a native relay (DESIGN 6.6), which have no transport addresses of their own: the IPv4 dummy address
 * (RFC 7600), so that a datagram to it can reach nobody. It is never told to the peer.
 */
export const NATIVE_RELAY_ADDRESS = transportAddress('192.0.0.8', 9);

const END = {
  kind: 'relayed',
  address: NATIVE_RELAY_ADDRESS,
  priority: candidatePriority('relayed', MAX_LOCAL_PREFERENCE),
  foundation: 'native',
} as const satisfies IceCandidate;

/** The other end: pairs with the base of a native relay and with nothing else. */
export const NATIVE_RELAY_PEER: IceCandidate = END;

/** `serverNow`: the relay outlives the flow that it was made with. */
export function nativeRelayBase(
  id: string,
  serverNow: () => TransportAddress | undefined = () => undefined,
): CandidateBase {
  return {
    id: `native-${id}`,
    kind: 'relay',
    family: 'ipv4',
    isNative: true,
    get server(): TransportAddress | undefined {
      return serverNow();
    },
  };
}

/** Our end. */
export function nativeRelayCandidate(base: CandidateBase): LocalCandidate {
  return { ...END, base };
}
