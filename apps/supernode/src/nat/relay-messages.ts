import type { FlowServerControl, FlowServerEvent, TransportAddress } from '@parley/nat';
import type { TurnDriverStats, TurnServerControl } from '@parley/nat/node';
import type { BoundTls, TlsFrontStats, TlsSettings } from './tls-front.ts';

/** From the main thread to the relay thread. */
export type RelayCommand =
  | { readonly kind: 'control'; readonly input: TurnServerControl }
  | { readonly kind: 'control-flows'; readonly input: FlowServerControl }
  | { readonly kind: 'open-tls'; readonly settings: TlsSettings }
  | { readonly kind: 'stats'; readonly requestId: number }
  | { readonly kind: 'stop' };

/** What the relay thread says of its TLS port. */
export type TlsReport =
  | { readonly kind: 'tls-ready'; readonly listeners: readonly BoundTls[] }
  | {
      readonly kind: 'tls-failed';
      readonly code: 'SN_TLS_INVALID' | 'SN_LISTEN_FAILED';
      readonly message: string;
    }
  /** Loaded again; with an error the old one stays. */
  | { readonly kind: 'tls-certificate'; readonly error?: string };

/** Counters of the relay thread. */
export interface RelayStats extends TurnDriverStats {
  readonly tls?: TlsFrontStats;
}

/** A bound listener with what clients are told of it. */
export interface BoundListener {
  readonly bound: TransportAddress;
  readonly visible: TransportAddress;
}

/** From the relay thread to the main thread. */
export type RelayReport =
  /** `listeners` are the primary ones in the order of the settings; `alternatePorts` theirs, for a restart on the same ports. */
  | {
      readonly kind: 'ready';
      readonly listeners: readonly BoundListener[];
      readonly alternatePorts: readonly (number | undefined)[];
    }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'flow-event'; readonly event: FlowServerEvent }
  | TlsReport
  | { readonly kind: 'stats'; readonly requestId: number; readonly stats: RelayStats };
