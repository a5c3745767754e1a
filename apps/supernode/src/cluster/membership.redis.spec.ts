import { expect, it } from '@jest/globals';
import { describeRedis } from '../redis/testing/describe-redis.ts';
import { RedisCoordinatorLease, RedisMembershipStore } from './membership.redis.ts';
import { membershipContract } from './testing/membership.contract.ts';

/** Long enough to be looked at on a machine that does other things too. */
const LEASE_MS = 2_000;

describeRedis('leases in Redis', (lab) => {
  const redisNow = () =>
    Number(
      lab.server.cli(
        'EVAL',
        `local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000)`,
        '0',
      ),
    );

  /** Until Redis' own clock says so. */
  const pass = (milliseconds: number): Promise<void> => {
    for (const until = redisNow() + milliseconds; redisNow() <= until;);
    return Promise.resolve();
  };

  membershipContract(() => {
    const keys = lab.freshKeys();
    return {
      members: new RedisMembershipStore(lab.connection, keys),
      coordinator: new RedisCoordinatorLease(lab.connection, keys),
      pass,
    };
  });

  it('leaves nothing when all leases are over', async () => {
    const keys = lab.freshKeys();
    const [nodeRecord] = [{ nodeId: 'a', incarnation: 1 }] as Parameters<RedisMembershipStore['renew']>[0][];
    await new RedisMembershipStore(lab.connection, keys).renew(nodeRecord!, LEASE_MS);
    await new RedisCoordinatorLease(lab.connection, keys).hold('a', 1, LEASE_MS);
    expect(lab.stored(keys)).toHaveLength(3);
    await pass(LEASE_MS);
    expect(lab.stored(keys)).toEqual([]);
  });
});
