import { canonicalIpAddress, parseTransportAddress, type IceCandidate } from '@parley/nat';
import type { WireCandidate } from '@parley/protocol';

const WIRE_TYPES = {
  host: 'host',
  serverReflexive: 'server-reflexive',
  peerReflexive: 'peer-reflexive',
  relayed: 'relayed',
} as const satisfies Record<IceCandidate['kind'], WireCandidate['type']>;

const KINDS = {
  host: 'host',
  'server-reflexive': 'serverReflexive',
  'peer-reflexive': 'peerReflexive',
  relayed: 'relayed',
} as const satisfies Record<WireCandidate['type'], IceCandidate['kind']>;

/** Our own candidate as the wire spells it. */
export function toWireCandidate(candidate: IceCandidate): WireCandidate {
  return {
    foundation: candidate.foundation,
    priority: candidate.priority,
    transport: 'udp',
    address: canonicalIpAddress(candidate.address.address) ?? candidate.address.address,
    port: candidate.address.port,
    type: WIRE_TYPES[candidate.kind],
  };
}

/** A peer's candidate in canonical form; undefined when its address is none. The agent judges it further. */
export function fromWireCandidate(candidate: WireCandidate): IceCandidate | undefined {
  const address = parseTransportAddress(candidate.address, candidate.port);
  if (!address) return undefined;
  return {
    kind: KINDS[candidate.type],
    address,
    priority: candidate.priority,
    foundation: candidate.foundation,
  };
}

/** All usable candidates of a peer. */
export function fromWireCandidates(candidates: readonly WireCandidate[]): readonly IceCandidate[] {
  return candidates.map(fromWireCandidate).filter((candidate) => candidate !== undefined);
}
