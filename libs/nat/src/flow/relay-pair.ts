import type { FiveTuple } from '../net/five-tuple.ts';
import type { Instant } from '../time/instant.ts';
import type { Timer } from '../time/timer-queue.ts';
import { relayIdHalf } from './flow-frame.ts';
import type { FlowExpiry, FlowLane, FlowRow } from './flow-row.ts';

/** One end of a relay. */
export class RelaySide {
  readonly row: FlowRow;
  /** The lane that it sent from last. */
  #lane: FlowLane | undefined;
  sentAt: Instant | undefined;

  constructor(row: FlowRow) {
    this.row = row;
  }

  /** Whether the datagram came from this end, at an address that it has proven. */
  sends(address: string, port: number): boolean {
    const lane = this.row.laneAt(address, port);
    if (lane === undefined) return false;
    this.#lane = lane;
    return true;
  }

  /** Where it is now: where it sends from, else where it is known to be. */
  get tuple(): FiveTuple | undefined {
    return this.#lane?.tuple ?? this.row.anyLane()?.tuple;
  }
}

/** Two flows between which data is forwarded. */
export class RelayPair {
  readonly id: Uint8Array;
  /** The id again, in two halves: the first one is the key of a table. */
  readonly high: number;
  readonly low: number;
  readonly first: RelaySide;
  readonly second: RelaySide;
  readonly openedAt: Instant;
  timer: Timer<FlowExpiry> | undefined;

  constructor(id: Uint8Array, first: FlowRow, second: FlowRow, openedAt: Instant) {
    this.id = id;
    this.high = relayIdHalf(id, 0);
    this.low = relayIdHalf(id, 4);
    this.first = new RelaySide(first);
    this.second = new RelaySide(second);
    this.openedAt = openedAt;
  }

  get usedAt(): Instant {
    const { openedAt, first, second } = this;
    return Math.max(openedAt, first.sentAt ?? openedAt, second.sentAt ?? openedAt) as Instant;
  }
}
