import type { FiveTuple } from '../net/five-tuple.ts';
import type { Instant } from '../time/instant.ts';
import type { Timer } from '../time/timer-queue.ts';
import type { FlowLaneNumber } from './flow-frame.ts';
import type { RelayPair } from './relay-pair.ts';

/** What has an end of its own. */
export type FlowExpiry =
  | { readonly kind: 'lane'; readonly row: FlowRow; readonly lane: FlowLane }
  | { readonly kind: 'row'; readonly row: FlowRow }
  | { readonly kind: 'pair'; readonly pair: RelayPair };

/** Where one socket of a client is. */
export class FlowLane {
  /** The client's proven address, and the listener at which it is known. */
  tuple: FiveTuple | undefined;
  /** Of the last frame that was believed. */
  sequence = 0;
  /** When the client last said where it is. */
  registeredAt: Instant | undefined;
  timer: Timer<FlowExpiry> | undefined;

  isAt(address: string, port: number): boolean {
    const client = this.tuple?.client;
    return client !== undefined && client.port === port && client.address === address;
  }
}

/** A client of this server: no socket and no port, only who it is and where. */
export class FlowRow {
  /** Whose row it is; the server's owner knows what it means. */
  readonly owner: string;
  readonly lanes: readonly [FlowLane, FlowLane] = [new FlowLane(), new FlowLane()];
  readonly pairs = new Set<RelayPair>();
  flowId: Uint8Array;
  key: Uint8Array;
  timer: Timer<FlowExpiry> | undefined;
  #budgetBytes: number;
  #refilledAt: Instant;

  constructor(owner: string, flowId: Uint8Array, key: Uint8Array, budgetBytes: number, now: Instant) {
    this.owner = owner;
    this.flowId = flowId;
    this.key = key;
    this.#budgetBytes = budgetBytes;
    this.#refilledAt = now;
  }

  lane(number: FlowLaneNumber): FlowLane {
    return this.lanes[number];
  }

  /** The lane that is at this address now. */
  laneAt(address: string, port: number): FlowLane | undefined {
    const [first, second] = this.lanes;
    return first.isAt(address, port) ? first : second.isAt(address, port) ? second : undefined;
  }

  anyLane(): FlowLane | undefined {
    return this.lanes.find(({ tuple }) => tuple !== undefined);
  }

  /** The IP addresses at which the client is known. */
  addresses(): readonly string[] {
    return this.lanes.flatMap(({ tuple }) => (tuple === undefined ? [] : [tuple.client.address]));
  }

  /** Takes the bytes out of what the flow may send now; false where it sent too much. */
  spend(bytes: number, bytesPerSecond: number, now: Instant): boolean {
    const earned = ((now - this.#refilledAt) / 1000) * bytesPerSecond;
    this.#budgetBytes = Math.min(bytesPerSecond, this.#budgetBytes + earned);
    this.#refilledAt = now;
    if (this.#budgetBytes < bytes) return false;
    this.#budgetBytes -= bytes;
    return true;
  }
}
