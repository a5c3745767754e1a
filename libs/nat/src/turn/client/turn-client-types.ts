import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { AddressFamily, TransportAddress } from '../../net/transport-address.ts';
import type { TurnCredential } from '../credentials.ts';

export interface TurnClientOptions {
  readonly server: TransportAddress;
  readonly credential: TurnCredential;
  /** How long the credential is valid from now on; at half of it `credential-needed` is given. @default not known */
  readonly credentialTtlSeconds?: number;
  readonly crypto: NatCrypto;
  /** REQUESTED-ADDRESS-FAMILY (RFC 8656 section 18.5). @default not sent, which means IPv4 */
  readonly relayFamily?: AddressFamily;
  /** Asked of the server, which may grant another. @default 600 */
  readonly lifetimeSeconds?: number;
  /** RFC 8489 section 6.2.1. @default 500 */
  readonly initialRtoMs?: number;
  /** Rc of RFC 8489 section 6.2.1. @default 7 */
  readonly requestLimit?: number;
}

export type TurnClientInput =
  | { readonly kind: 'allocate' }
  /** Only datagrams whose source is the server. */
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array }
  /** Have a permission for the peer's address, renewed until the peer is released. */
  | { readonly kind: 'permit'; readonly peer: TransportAddress }
  /** Have a channel for the peer (which is a permission too), renewed until the peer is released. */
  | { readonly kind: 'bind-channel'; readonly peer: TransportAddress }
  /** Renew nothing for the peer any more. */
  | { readonly kind: 'release-peer'; readonly peer: TransportAddress }
  /** Use another credential of the same id from now on; the allocation is kept. */
  | {
      readonly kind: 'renew-credential';
      readonly credential: TurnCredential;
      readonly credentialTtlSeconds?: number;
    }
  | { readonly kind: 'deallocate' };

export type TurnFailureCode =
  | 'NAT_TURN_TIMEOUT'
  | 'NAT_TURN_UNAUTHORIZED'
  | 'NAT_TURN_QUOTA'
  | 'NAT_TURN_CAPACITY'
  | 'NAT_TURN_FORBIDDEN'
  | 'NAT_TURN_MISMATCH'
  | 'NAT_TURN_UNSUPPORTED'
  | 'NAT_TURN_REFUSED'
  /** The server's own nonce says that somebody removed PASSWORD-ALGORITHMS on the way (RFC 8489 section 9.2.1). */
  | 'NAT_TURN_BID_DOWN';

export interface TurnFailure {
  readonly code: TurnFailureCode;
  /** The ERROR-CODE behind it, where the server sent one. */
  readonly stunErrorCode?: number;
}

export type TurnClientDropReason =
  | 'malformed'
  | 'unknown-transaction'
  | 'unknown-channel'
  | 'unexpected-message'
  | 'unauthenticated-response'
  | 'bad-integrity'
  | 'invalid-response';

export type TurnClientOutput =
  /** To the server. */
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'allocated';
      readonly relayedAddress: TransportAddress;
      readonly serverReflexiveAddress: TransportAddress;
      readonly lifetimeSeconds: number;
    }
  | { readonly kind: 'refreshed'; readonly lifetimeSeconds: number }
  | { readonly kind: 'permitted'; readonly peer: TransportAddress }
  | { readonly kind: 'channel-bound'; readonly peer: TransportAddress; readonly channel: number }
  /** For `permit` or `bind-channel`; nothing is tried again for this peer until it is asked for again. */
  | { readonly kind: 'peer-refused'; readonly peer: TransportAddress; readonly failure: TurnFailure }
  /** `bytes` is a view of the datagram. */
  | { readonly kind: 'data'; readonly peer: TransportAddress; readonly bytes: Uint8Array }
  /** Past half its life, or refused: answer with `renew-credential`. Given once per credential. */
  | { readonly kind: 'credential-needed' }
  /** The allocation was refused or lost; the client has ended. */
  | { readonly kind: 'failed'; readonly failure: TurnFailure }
  | { readonly kind: 'closed' }
  | { readonly kind: 'drop'; readonly reason: TurnClientDropReason };

export type TurnClientState = 'idle' | 'allocating' | 'allocated' | 'deallocating' | 'closed' | 'failed';
