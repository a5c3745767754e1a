import type { Instant } from './instant.ts';

/** A scheduled value; keep it to move or remove it. */
export interface Timer<T> {
  readonly value: T;
  readonly at: Instant;
}

interface Slot<T> extends Timer<T> {
  at: Instant;
  index: number;
}

const REMOVED = -1;

/**
 * All expiries of one core in one ordered structure (a binary heap), so that no datagram ever sweeps the tables: the
 * earliest is read in constant time, adding, moving and removing cost the logarithm of the number of timers.
 */
export class TimerQueue<T> {
  private readonly heap: Slot<T>[] = [];

  get size(): number {
    return this.heap.length;
  }

  add(value: T, at: Instant): Timer<T> {
    const slot: Slot<T> = { value, at, index: this.heap.length };
    this.heap.push(slot);
    this.up(slot);
    return slot;
  }

  /** Gives a timer another instant; one that already fired or was removed is scheduled again. */
  move(timer: Timer<T>, at: Instant): void {
    const slot = timer as Slot<T>;
    slot.at = at;
    if (slot.index === REMOVED) {
      slot.index = this.heap.length;
      this.heap.push(slot);
    }
    this.up(slot);
    this.down(slot);
  }

  /** No effect on a timer that already fired or was removed. */
  remove(timer: Timer<T>): void {
    const slot = timer as Slot<T>;
    const { index } = slot;
    if (index === REMOVED) return;
    const last = this.heap.pop();
    slot.index = REMOVED;
    if (last === undefined || last === slot) return;
    this.place(last, index);
    this.up(last);
    this.down(last);
  }

  clear(): void {
    for (const slot of this.heap) slot.index = REMOVED;
    this.heap.length = 0;
  }

  nextAt(): Instant | undefined {
    return this.heap[0]?.at;
  }

  /** Takes one value that is due at `now`, the earliest first; call until it gives `undefined`. */
  takeDue(now: Instant): T | undefined {
    const first = this.heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.remove(first);
    return first.value;
  }

  private place(slot: Slot<T>, index: number): void {
    this.heap[index] = slot;
    slot.index = index;
  }

  private up(slot: Slot<T>): void {
    while (slot.index > 0) {
      const parentIndex = (slot.index - 1) >> 1;
      const parent = this.heap[parentIndex];
      if (parent === undefined || parent.at <= slot.at) return;
      this.place(parent, slot.index);
      this.place(slot, parentIndex);
    }
  }

  private down(slot: Slot<T>): void {
    for (;;) {
      const left = this.heap[2 * slot.index + 1];
      const right = this.heap[2 * slot.index + 2];
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (child === undefined || child.at >= slot.at) return;
      const index = child.index;
      this.place(child, slot.index);
      this.place(slot, index);
    }
  }
}
