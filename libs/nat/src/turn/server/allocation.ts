import type { FiveTuple } from '../../net/five-tuple.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import type { Instant } from '../../time/instant.ts';
import type { Timer } from '../../time/timer-queue.ts';
import type { CredentialExpiry } from './credential-authority.ts';
import type { RelayId } from './turn-server-types.ts';

/** A relay socket and the port that it holds. */
export interface Relay {
  readonly id: RelayId;
  /** Where the driver binds it. */
  readonly bound: TransportAddress;
  /** What the client and its peers are told. */
  readonly advertised: TransportAddress;
  /** Counted against the quotas of these. */
  readonly credentialId: string;
  readonly source: string;
}

/** RFC 8656 section 9: a peer IP address, without port. */
export interface Permission {
  readonly allocation: Allocation;
  readonly address: string;
  expiresAt: Instant;
  readonly timer: Timer<ExpiringState>;
}

/** RFC 8656 section 12. */
export interface ChannelBinding {
  readonly allocation: Allocation;
  readonly number: number;
  readonly peer: TransportAddress;
  readonly peerKey: string;
  expiresAt: Instant;
  readonly timer: Timer<ExpiringState>;
}

/** A port that waits for the allocation that brings its token (RFC 8656 section 7.2). */
export interface Reservation {
  readonly token: string;
  readonly relay: Relay;
  readonly timer: Timer<ExpiringState>;
}

export interface Allocation {
  readonly tuple: FiveTuple;
  readonly key: string;
  readonly relay: Relay;
  readonly credentialId: string;
  /** The last username's expiry. */
  expiry: CredentialExpiry;
  readonly timer: Timer<ExpiringState>;
  /** Of the Allocate request and its answer, for retransmissions. */
  readonly transactionKey: string;
  readonly response: Uint8Array;
  readonly permissions: Map<string, Permission>;
  readonly channelsByNumber: Map<number, ChannelBinding>;
  readonly channelsByPeer: Map<string, ChannelBinding>;
}

export type ExpiringState =
  | { readonly kind: 'allocation'; readonly key: string }
  | { readonly kind: 'permission'; readonly key: string; readonly address: string }
  | { readonly kind: 'channel'; readonly key: string; readonly number: number }
  | { readonly kind: 'reservation'; readonly token: string };
