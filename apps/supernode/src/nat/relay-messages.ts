import type { FlowServerControl, FlowServerEvent, TransportAddress } from '@parley/nat';
import type { TurnDriverStats, TurnServerControl } from '@parley/nat/node';

/** From the main thread to the relay thread. */
export type RelayCommand =
  | { readonly kind: 'control'; readonly input: TurnServerControl }
  | { readonly kind: 'control-flows'; readonly input: FlowServerControl }
  | { readonly kind: 'stats'; readonly requestId: number }
  | { readonly kind: 'stop' };

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
  | { readonly kind: 'stats'; readonly requestId: number; readonly stats: TurnDriverStats };
