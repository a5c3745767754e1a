import type { Clock } from '../clock/clock.port.ts';

/** Wall clocks are set by that much without anything having happened. */
const UNREMARKABLE_MS = 500;

/**
 * A clock whose `monotonic` also counts the time for which the machine was suspended: the monotonic clock of the system stands
 * still then, and leases elsewhere do not. What only the wall clock says counts, since a right that ends too early costs a
 * second and one that ends too late costs two owners of a slot. A wall clock that is set back changes nothing.
 */
export class SuspensionAwareClock implements Clock {
  private suspendedMs = 0;
  private last: { readonly monotonic: number; readonly wall: number };

  constructor(private readonly clock: Clock) {
    this.last = { monotonic: clock.monotonic(), wall: clock.now() };
  }

  now(): number {
    return this.clock.now();
  }

  monotonic(): number {
    const read = { monotonic: this.clock.monotonic(), wall: this.clock.now() };
    const unseen = read.wall - this.last.wall - (read.monotonic - this.last.monotonic);
    if (unseen > UNREMARKABLE_MS) this.suspendedMs += unseen;
    this.last = read;
    return read.monotonic + this.suspendedMs;
  }
}
