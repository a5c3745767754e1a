import { describe, expect, it } from '@jest/globals';
import type { RelaySettings } from './relay-settings.ts';
import { WorkerRelayThread } from './worker-relay-thread.ts';

const SETTINGS: RelaySettings = {
  listen: [],
  relay: { portRange: { min: 50_000, max: 50_100 } },
  realm: 'r',
  allowPeers: [],
  quotas: {},
};

/** Runs a worker made of `source` and gives the cause of its end. */
function causeOfEnd(
  source: string,
  then: (thread: WorkerRelayThread) => void = () => undefined,
): Promise<string> {
  const entry = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  return new Promise((resolve) => {
    then(new WorkerRelayThread(entry, SETTINGS, { onReport: () => undefined, onExit: resolve }));
  });
}

describe('WorkerRelayThread', () => {
  it('names the error that ended the thread', async () => {
    expect(await causeOfEnd('throw new RangeError("boom")')).toBe('boom');
  });

  it('names the exit code where there is no error', async () => {
    expect(await causeOfEnd('process.exit(3)')).toBe('exit code 3');
  });

  it('ends a thread that does not listen, after two seconds', async () => {
    const cause = await causeOfEnd('setInterval(() => undefined, 1000)', (thread) => void thread.stop());

    expect(cause).toBe('exit code 1');
  });
});
