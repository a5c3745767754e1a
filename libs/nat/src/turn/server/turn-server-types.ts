import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { FiveTuple } from '../../net/five-tuple.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import type { StunDecodeReason } from '../../stun/message.ts';
import type { ReplyBudgetOptions } from '../../stun/reply-budget.ts';
import type { Instant } from '../../time/instant.ts';
import type { PeerRefusal, PortRange } from '../policy/peer-policy.ts';

/** Names a relay socket; chosen by the core, never reused. */
export type RelayId = number & { readonly __brand: 'RelayId' };

/** Where relay sockets are bound and what clients and peers are told. */
export interface RelayAddress {
  readonly bind: string;
  /** @default the same as `bind` */
  readonly advertised?: string;
}

export interface TurnQuotas {
  /** Relays that one credential id may hold; 486 beyond. @default 10 */
  readonly allocationsPerCredential: number;
  /** Relays of one client address (IPv6: /64); 486 beyond. @default 200 */
  readonly allocationsPerAddress: number;
  /** All relays; 508 beyond. @default 4000 */
  readonly allocations: number;
  /** Peer addresses with a permission in one allocation; 508 beyond. @default 100 */
  readonly permissionsPerAllocation: number;
  /** Channels in one allocation; 508 beyond. @default 100 */
  readonly channelsPerAllocation: number;
}

export interface TurnServerOptions {
  readonly crypto: NatCrypto;
  readonly realm: string;
  /** Milliseconds since 1970 at `now`: time-limited usernames state wall-clock time, everything else here is monotonic. */
  readonly epochMillisAt: (now: Instant) => number;
  readonly relay: {
    readonly ipv4?: RelayAddress;
    readonly ipv6?: RelayAddress;
    readonly portRange?: PortRange;
  };
  /** CIDR ranges that lift the default refusal of special-purpose peers. @default none */
  readonly allowPeers?: readonly string[];
  /** @default 1024 */
  readonly minimumPeerPort?: number;
  readonly quotas?: Partial<TurnQuotas>;
  /** Also accept the channel numbers 0x5000 to 0x7FFF of RFC 5766, which RFC 8656 reserves. @default false */
  readonly acceptLegacyChannels?: boolean;
  /** RFC 8656 section 7.2. @default 3600 */
  readonly maxLifetimeSeconds?: number;
  /** @default 600 */
  readonly nonceLifetimeSeconds?: number;
  /** Replies to requests without a valid credential, per source address (IPv6: /64). @default 50 per second, burst 100 */
  readonly unauthenticatedReplies?: Partial<ReplyBudgetOptions>;
}

export type TurnServerInput =
  /**
   * `tuple.server` is given back by identity in `send`, so that a driver finds its socket without a key; where `protocol` is
   * not UDP, `tuple` itself is.
   */
  | { readonly kind: 'datagram'; readonly tuple: FiveTuple; readonly bytes: Uint8Array }
  /** The TCP or TLS connection of the tuple has ended, and with it what was allocated over it. */
  | { readonly kind: 'connection-closed'; readonly tuple: FiveTuple }
  | { readonly kind: 'relay-opened'; readonly relayId: RelayId }
  | { readonly kind: 'relay-failed'; readonly relayId: RelayId; readonly reason: 'address-in-use' | 'other' }
  | {
      readonly kind: 'relay-datagram';
      readonly relayId: RelayId;
      readonly from: TransportAddress;
      readonly bytes: Uint8Array;
    }
  /** The secrets of a tenant, newest first (several while they are rotated); none removes the tenant. */
  | { readonly kind: 'set-secrets'; readonly tenantRef: string; readonly secrets: readonly string[] }
  /** Ends what the id (and ids below it) holds; usernames that expire up to the given time are refused from now on. */
  | { readonly kind: 'revoke'; readonly credentialId: string; readonly untilEpochSeconds: number }
  | { readonly kind: 'set-quotas'; readonly quotas: Partial<TurnQuotas> }
  /** Relay addresses of other supernodes of the roster, whose relay ports are permitted peers. */
  | { readonly kind: 'set-relay-addresses'; readonly addresses: readonly string[] };

export type AllocationEndCause =
  'expired' | 'released' | 'credential-expired' | 'credential-revoked' | 'relay-failed' | 'connection-closed';

export type TurnServerEvent =
  | {
      readonly kind: 'allocation-created';
      readonly credentialId: string;
      readonly client: TransportAddress;
      readonly relayedAddress: TransportAddress;
    }
  | {
      readonly kind: 'allocation-ended';
      readonly credentialId: string;
      readonly client: TransportAddress;
      readonly relayedAddress: TransportAddress;
      readonly cause: AllocationEndCause;
    };

export type TurnDropReason =
  | StunDecodeReason
  | PeerRefusal
  | 'malformed-channel-data'
  | 'no-allocation'
  | 'unbound-channel'
  | 'no-permission'
  | 'bad-fingerprint'
  | 'unknown-method'
  | 'unexpected-class'
  | 'from-own-relay'
  | 'invalid-source'
  | 'reply-budget-exhausted'
  | 'allocation-opening'
  | 'malformed-indication'
  | 'unknown-attribute'
  | 'peer-family-mismatch'
  | 'unknown-relay';

export type TurnServerOutput =
  | { readonly kind: 'send'; readonly to: FiveTuple; readonly bytes: Uint8Array }
  | { readonly kind: 'open-relay'; readonly relayId: RelayId; readonly address: TransportAddress }
  | { readonly kind: 'close-relay'; readonly relayId: RelayId }
  | {
      readonly kind: 'relay';
      readonly relayId: RelayId;
      readonly peer: TransportAddress;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'drop'; readonly reason: TurnDropReason }
  | { readonly kind: 'event'; readonly event: TurnServerEvent };

export interface TurnServerStats {
  readonly allocations: number;
  readonly allocationsCreated: number;
  readonly toPeers: { readonly datagrams: number; readonly bytes: number };
  readonly toClients: { readonly datagrams: number; readonly bytes: number };
  readonly unauthenticatedReplies: number;
  /** Error responses by STUN error code. */
  readonly refusals: Readonly<Record<number, number>>;
  readonly drops: Readonly<Partial<Record<TurnDropReason, number>>>;
}
