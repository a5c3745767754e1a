import type { CandidateKind } from './candidate.ts';

/** RFC 8445 section 5.1.2.2: recommended type preferences. */
export const TYPE_PREFERENCE = {
  host: 126,
  peerReflexive: 110,
  serverReflexive: 100,
  relayed: 0,
} as const satisfies Record<CandidateKind, number>;

/** Of the highest preference when a host has one address (RFC 8445 section 5.1.2.1). */
export const MAX_LOCAL_PREFERENCE = 65_535;

const COMPONENT = 1;

/** RFC 8445 section 5.1.2.1, for the only component. */
export function candidatePriority(kind: CandidateKind, localPreference: number): number {
  return 2 ** 24 * TYPE_PREFERENCE[kind] + 2 ** 8 * localPreference + (256 - COMPONENT);
}

/** Between peer-reflexive and server-reflexive, as NAT-assisted candidates of RFC 6544 section 4.2. */
const MAPPED_TYPE_PREFERENCE = 105;

/**
 * Of an address that a gateway gave us: to the peer it is server-reflexive, but strangers reach it, which a NAT that only learnt a
 * mapping from our packets need not allow.
 */
export const MAPPED_PRIORITY =
  2 ** 24 * MAPPED_TYPE_PREFERENCE + 2 ** 8 * MAX_LOCAL_PREFERENCE + (256 - COMPONENT);

/** Whether a gateway gave its owner this address, by the priority that the owner signed. */
export function isMappedPriority(priority: number): boolean {
  return Math.floor(priority / 2 ** 24) === MAPPED_TYPE_PREFERENCE;
}

/** The local preference that went into `priority`. */
export function localPreferenceOf(priority: number): number {
  return Math.floor(priority / 2 ** 8) % 2 ** 16;
}

/** What PRIORITY says in a check (RFC 8445 section 7.1.1): the priority that a peer-reflexive candidate of this base would have. */
export function peerReflexivePriority(basePriority: number): number {
  return candidatePriority('peerReflexive', localPreferenceOf(basePriority));
}

/** RFC 8445 section 6.1.2.3: G is the controlling side's candidate, D the controlled side's. 64 bits, hence bigint. */
export function pairPriority(controlling: number, controlled: number): bigint {
  const g = BigInt(controlling);
  const d = BigInt(controlled);
  const [low, high] = g < d ? [g, d] : [d, g];
  return (low << 32n) + (high << 1n) + (g > d ? 1n : 0n);
}
