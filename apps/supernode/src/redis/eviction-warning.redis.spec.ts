import { expect, it } from '@jest/globals';
import { warnOfEviction } from './eviction-warning.ts';
import { describeRedis } from './testing/describe-redis.ts';

describeRedis('warnOfEviction', (lab) => {
  const warnings = async (): Promise<string[]> => {
    const said: string[] = [];
    const logger = { warn: (_facts: unknown, text: string) => said.push(text), debug: () => undefined };
    await warnOfEviction(lab.connection, 'any', logger as unknown as Parameters<typeof warnOfEviction>[2]);
    return said;
  };

  it('warns of a Redis that gives keys away when it is full, and of no other', async () => {
    lab.server.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await warnings()).toEqual([]);
    lab.server.cli('CONFIG', 'SET', 'maxmemory', '100mb');
    expect(await warnings()).toEqual([expect.stringContaining('noeviction')]);
    lab.server.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    expect(await warnings()).toEqual([]);
  });
});
