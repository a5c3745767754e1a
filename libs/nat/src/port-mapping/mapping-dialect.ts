import type { TransportAddress } from '../net/transport-address.ts';

/** How a gateway is asked for a port; both protocols share its UDP port. */
export type MappingProtocol = 'pcp' | 'nat-pmp';

export type PortMappingDrop =
  'malformed' | 'wrong-nonce' | 'not-our-mapping' | 'unexpected' | 'lifetime-too-short';

/** What a datagram of the gateway means. */
export type MappingReading =
  | {
      readonly kind: 'mapped';
      readonly external: TransportAddress;
      readonly lifetimeSeconds: number;
      readonly epochSeconds: number;
    }
  | { readonly kind: 'refused'; readonly result: number; readonly retrySeconds: number }
  /** The gateway has no PCP, but the protocol before it (RFC 6887 section 9). */
  | { readonly kind: 'speaks-nat-pmp' }
  | { readonly kind: 'deleted' }
  /** Nothing but how long the gateway has had its state. */
  | { readonly kind: 'epoch'; readonly epochSeconds: number }
  /** The gateway has another address outside than it said. */
  | { readonly kind: 'changed' }
  /** The other half of the answer is still to come. */
  | { readonly kind: 'partial' }
  | { readonly kind: 'drop'; readonly reason: PortMappingDrop };

/** One protocol in which to ask for one mapping. */
export interface MappingDialect {
  readonly protocol: MappingProtocol;
  readonly firstTimeoutMs: number;
  readonly maxTimeoutMs: number;
  /** Undefined: never given up. */
  readonly maxAttempts: number | undefined;
  /** Share by which a wait may be shorter or longer. */
  readonly jitter: number;
  /** A new question: all of it. */
  begin(): void;
  /** What is still unanswered of the question. */
  requests(suggested: TransportAddress): readonly Uint8Array[];
  deletion(): Uint8Array;
  read(bytes: Uint8Array): MappingReading;
}
