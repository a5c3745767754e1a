import type { AddressFamily, TransportAddress } from '../net/transport-address.ts';

/** RFC 8445 section 4. The wire spellings (`srflx`, `prflx`) belong to signalling codecs. */
export type CandidateKind = 'host' | 'serverReflexive' | 'peerReflexive' | 'relayed';

/** A transport address that may receive data (RFC 8445 section 5.3): what an offer or answer says about it. */
export interface IceCandidate {
  readonly kind: CandidateKind;
  readonly address: TransportAddress;
  /** 1 to 2^31 - 1 (RFC 8445 section 5.1.2). */
  readonly priority: number;
  /** 1 to 32 ice-chars (RFC 8445 section 5.1.1.3). */
  readonly foundation: string;
}

/**
 * What a candidate sends from. RFC 8445 calls the transport address the base; here it is the thing behind it: a socket of one
 * family (all its host and reflexive candidates share it, whatever interface they name), an allocation at a relay, or a native
 * relay to one peer.
 */
export interface CandidateBase {
  readonly id: string;
  readonly kind: 'socket' | 'relay';
  readonly family: AddressFamily;
  /** A relay between two registered flows: it leads to this one peer, and has no candidate that could be told. */
  readonly isNative?: true;
  /** Of a relay: where its server is, as far as is known. */
  readonly server?: TransportAddress | undefined;
}

/** A candidate of our own, with the base that sends for it. */
export interface LocalCandidate extends IceCandidate {
  readonly base: CandidateBase;
}

/** The part of a local candidate that may be told to the peer. */
export function describeCandidate(candidate: LocalCandidate): IceCandidate {
  const { kind, address, priority, foundation } = candidate;
  return { kind, address, priority, foundation };
}
