import { describe, it } from '@jest/globals';
import { ClusterError } from './errors.ts';
import { redisAvailability } from './redis-server.ts';

const missing = await redisAvailability();

/** What becomes of a suite that needs a program which is not there: where `CI` says that everything is to be tried, it fails. */
export function withoutProgram(environment: Readonly<Record<string, string | undefined>>): 'fail' | 'skip' {
  return environment['CI'] === 'true' ? 'fail' : 'skip';
}

/** A suite on a cluster; where none can run it is skipped and says why, or fails with that (see {@link withoutProgram}). */
export function describeCluster(title: string, body: () => void): void {
  if (!missing) describe(title, body);
  else if (withoutProgram(process.env) === 'skip')
    describe.skip(`${title} (skipped: ${missing.reason})`, body);
  else {
    describe(title, () => {
      it('has the programs that it needs', () => {
        throw new ClusterError('PROGRAM_MISSING', missing.reason);
      });
    });
  }
}
