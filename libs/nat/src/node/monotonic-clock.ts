import { performance } from 'node:perf_hooks';
import { instant, type Instant } from '../time/instant.ts';

/** Milliseconds since the process started; never jumps when somebody sets the wall clock. */
export function monotonicNow(): Instant {
  return instant(performance.now());
}
