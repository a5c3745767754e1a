import type { Clock } from './clock.port.ts';
import type { Scheduler } from './scheduler.port.ts';

/**
 * Waits until `milliseconds` have passed since `began` (a reading of `clock.monotonic()`), however long the work in between
 * took: refusals that must look alike also take equally long.
 */
export function paddedDelay(
  clock: Clock,
  scheduler: Scheduler,
  began: number,
  milliseconds: number,
): Promise<void> {
  const left = Math.max(0, began + milliseconds - clock.monotonic());
  return new Promise((resolve) => scheduler.after(left, resolve));
}
