import type { TransportAddress } from '../net/transport-address.ts';
import type { CandidateBase, IceCandidate, LocalCandidate } from './candidate.ts';
import type { CandidatePairCause } from './candidate-pair-state.ts';
import type { IceCredentials } from './ice-credentials.ts';
import type { CandidateRefusal } from './remote-candidate-policy.ts';
import type { NatReport, RemoteNetwork } from './remote-network.ts';

/** Which paths an agent may use: `relay-only` hides our addresses from the peer, `direct-only` never uses a relay. */
export type IcePolicy = 'any' | 'relay-only' | 'direct-only';

export type IceState = 'new' | 'checking' | 'connected' | 'disconnected' | 'failed' | 'closed';

/** `closed` is final; `failed` is left by a restart. */
export const ICE_STATE_TRANSITIONS = {
  new: ['checking', 'closed'],
  checking: ['connected', 'failed', 'closed'],
  connected: ['disconnected', 'closed'],
  disconnected: ['connected', 'checking', 'failed', 'closed'],
  failed: ['checking', 'closed'],
  closed: [],
} as const satisfies Record<IceState, readonly IceState[]>;

export type IceStateCause =
  'remote-set' | 'pair-succeeded' | 'path-lost' | 'restarted' | 'closed' | IceFailureCause;

export type IceFailureCause = 'no-candidate-pairs' | 'checks-exhausted' | 'consent-expired';

/** What happened to the pair that carried data. */
export type PathLossCause = 'provisional-expired' | 'closed' | CandidatePairCause;

export type IceDropReason =
  | CandidateRefusal
  | 'malformed'
  | 'not-a-check'
  | 'bad-fingerprint'
  | 'bad-integrity'
  | 'wrong-username'
  | 'bad-request'
  | 'unknown-attribute'
  | 'unknown-transaction'
  | 'late-answer'
  | 'asymmetric-response'
  | 'direct-held'
  | 'policy'
  | 'unknown-base'
  | 'closed'
  | 'invalid-credentials'
  | 'restart-needed'
  | 'remote-candidate-limit'
  | 'local-candidate-limit'
  | 'pair-limit'
  | 'transaction-limit'
  | 'early-check-limit';

export type IceInput =
  /** A STUN message that arrived at a base: from the network at a socket, through the relay at an allocation. */
  | {
      readonly kind: 'datagram';
      readonly base: CandidateBase;
      readonly from: TransportAddress;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'local-candidate'; readonly candidate: LocalCandidate }
  /** No further local candidate comes unless the network changes. */
  | { readonly kind: 'gathering-complete' }
  /** From the accepted offer or answer; nothing is sent to anyone before. */
  | {
      readonly kind: 'remote-credentials';
      readonly credentials: IceCredentials;
      readonly candidates?: readonly IceCandidate[];
      readonly network?: RemoteNetwork;
    }
  | { readonly kind: 'remote-candidate'; readonly candidate: IceCandidate }
  | { readonly kind: 'end-of-candidates' }
  /** What is known about the NAT in front of us, whenever that changes. */
  | { readonly kind: 'local-nat'; readonly nat: NatReport }
  /** The peer's network anew: its ports were sampled again. */
  | { readonly kind: 'remote-network'; readonly network: RemoteNetwork }
  /** The mapping of the throw-away socket that a `sample-port` asked for. */
  | { readonly kind: 'port-sample'; readonly sample: number; readonly address: TransportAddress }
  /** The callee accepted: direct candidates may be told and used (see {@link IceAgentOptions.holdDirect}). */
  | { readonly kind: 'release-direct' }
  /** The relay refused to talk to this peer address. */
  | { readonly kind: 'relay-refused'; readonly base: CandidateBase; readonly peer: TransportAddress }
  /** A socket or an allocation is gone. */
  | { readonly kind: 'base-lost'; readonly base: CandidateBase }
  /** The network changed: seek better paths now. */
  | { readonly kind: 'seek' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'close' };

export type IceOutput =
  | {
      readonly kind: 'send';
      readonly base: CandidateBase;
      readonly to: TransportAddress;
      readonly bytes: Uint8Array;
    }
  /** The relay has to admit this peer before it can reach us, or be reached, through it. */
  | { readonly kind: 'permit'; readonly base: CandidateBase; readonly peer: TransportAddress }
  /** Nothing comes back at this base: the network may be another one, the allocation may be gone. Ask the servers. */
  | { readonly kind: 'suspect'; readonly base: CandidateBase }
  /** Open sockets of the family on free ports, bound as the main one; a base that cannot be opened is lost. */
  | { readonly kind: 'open-sockets'; readonly bases: readonly CandidateBase[] }
  | { readonly kind: 'close-sockets'; readonly bases: readonly CandidateBase[] }
  /** Ask a server from a socket that was not used before; the request leaves before the next output is performed. */
  | { readonly kind: 'sample-port'; readonly sample: number }
  /** No prediction came true: both sides have to sample their ports anew and tell each other. */
  | { readonly kind: 'ports-used-up' }
  /** Tell the peer about this candidate. */
  | { readonly kind: 'local-candidate'; readonly candidate: IceCandidate }
  | { readonly kind: 'path'; readonly path: IcePathReport }
  | { readonly kind: 'path-lost'; readonly cause: PathLossCause }
  | { readonly kind: 'state'; readonly from: IceState; readonly to: IceState; readonly cause: IceStateCause }
  | { readonly kind: 'failed'; readonly cause: IceFailureCause }
  | { readonly kind: 'drop'; readonly reason: IceDropReason };

/** How data travels now. */
export interface IcePathReport {
  readonly kind: 'relayed' | 'direct';
  /** The relay carries data on the consent of the accepted offer; no check has succeeded yet. */
  readonly provisional: boolean;
  readonly local: TransportAddress;
  readonly remote: TransportAddress;
  readonly rttMs: number | undefined;
  /** Of a relayed path. */
  readonly relays?: IceRelays;
}

/** What forwards the datagrams of a path: one relay or two, and where these are. */
export interface IceRelays {
  /** The server of the relay that is ours. A native relay has no other. */
  readonly own?: TransportAddress;
  /** The peer's address at the relay that is the peer's; what the peer says, proved by its answers from there. */
  readonly peer?: TransportAddress;
}

/** Where one data datagram goes. */
export interface IceRoute {
  readonly base: CandidateBase;
  readonly to: TransportAddress;
}
