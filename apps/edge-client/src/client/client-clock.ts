import { performance } from 'node:perf_hooks';

/** Time as the SDK reads it; tests move it by hand. */
export interface ClientClock {
  /** Milliseconds that never run backwards: deadlines, windows, intervals. */
  monotonic(): number;
  /** Milliseconds since the epoch: only for what people read and for signed times. */
  wall(): number;
}

/** The clocks of the process. */
export const processClock: ClientClock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
};
