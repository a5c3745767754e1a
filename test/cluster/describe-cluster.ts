import { describe } from '@jest/globals';
import { redisAvailability } from './redis-server.ts';

const missing = await redisAvailability();

/** A suite that is skipped, and says why, where a cluster cannot run. */
export function describeCluster(title: string, body: () => void): void {
  if (missing) describe.skip(`${title} (skipped: ${missing.reason})`, body);
  else describe(title, body);
}
