import { performance } from 'node:perf_hooks';
import type { Clock } from './clock.port.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
