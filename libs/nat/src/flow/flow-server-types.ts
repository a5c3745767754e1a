import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { FiveTuple } from '../net/five-tuple.ts';
import type { FlowLimits } from './flow-limits.ts';

export interface FlowServerOptions {
  readonly crypto: NatCrypto;
  readonly limits?: Partial<FlowLimits>;
}

/** What the owner of a server decides; datagrams decide nothing but addresses. */
export type FlowServerControl =
  /** Admits a client, or gives one that is known other keys: its address and its relays stay. `id` 8 bytes, `key` 32. */
  | {
      readonly kind: 'open-flow';
      readonly owner: string;
      readonly flowId: Uint8Array;
      readonly key: Uint8Array;
    }
  /** The flow ends after this time; null takes such an end back. */
  | { readonly kind: 'limit-flow'; readonly owner: string; readonly forMs: number | null }
  /** Ends its relays too. */
  | { readonly kind: 'close-flow'; readonly owner: string }
  /** From now on data goes between the two; `relayId` 8 bytes. */
  | {
      readonly kind: 'open-relay-pair';
      readonly relayId: Uint8Array;
      readonly owners: readonly [string, string];
    }
  | { readonly kind: 'close-relay-pair'; readonly relayId: Uint8Array };

export type FlowServerInput =
  /** `tuple.server` is given back by identity, so that a driver finds its socket without a key. */
  { readonly kind: 'datagram'; readonly tuple: FiveTuple; readonly bytes: Uint8Array } | FlowServerControl;

export type FlowServerEvent =
  /** The IP addresses at which a client has proven to be; none: it is silent. */
  | { readonly kind: 'flow-observed'; readonly owner: string; readonly addresses: readonly string[] }
  | { readonly kind: 'flow-ended'; readonly owner: string; readonly flowId: Uint8Array }
  | {
      readonly kind: 'relay-pair-ended';
      readonly relayId: Uint8Array;
      readonly cause: 'idle' | 'closed' | 'flow-ended';
    };

export type FlowDropReason =
  | 'malformed'
  | 'unexpected-type'
  | 'invalid-source'
  | 'unknown-flow'
  | 'bad-mac'
  | 'replayed'
  | 'registered-too-often'
  | 'challenge-budget-exhausted'
  | 'unknown-relay-id'
  | 'not-a-party'
  | 'no-consent'
  | 'peer-unregistered'
  | 'rate-exceeded'
  | 'relay-pair-refused';

export type FlowServerOutput =
  | { readonly kind: 'send'; readonly to: FiveTuple; readonly bytes: Uint8Array }
  | { readonly kind: 'event'; readonly event: FlowServerEvent }
  | { readonly kind: 'drop'; readonly reason: FlowDropReason };

export interface FlowServerStats {
  readonly flows: number;
  /** Flows whose client is at a proven address now. */
  readonly registeredFlows: number;
  readonly relayPairs: number;
  readonly forwarded: { readonly datagrams: number; readonly bytes: number };
  readonly challenges: number;
  readonly drops: Readonly<Partial<Record<FlowDropReason, number>>>;
}
