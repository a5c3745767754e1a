import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { userIdSchema } from '@parley/protocol';
import { slotOf } from '../cluster/slot.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { RedisPresenceStore } from '../presence/presence-store.redis.ts';
import { presenceOf } from '../presence/testing/presence-store.contract.ts';
import type { RedisConnection } from './redis-connection.redis.ts';
import { RedisKeys } from './redis-keys.ts';
import { describeWithRedisServer, openRedis } from './testing/describe-redis.ts';
import { RedisClusterLab } from './testing/redis-cluster.ts';

/** From the moment in which Redis serves everything again. */
const FOLLOWED_WITHIN_MS = 8_000;
const { tenant } = callerNamed('anybody');

describeWithRedisServer('failover of a Redis Cluster', () => {
  let lab: RedisClusterLab;
  let connection: RedisConnection | undefined;
  beforeEach(async () => {
    lab = await RedisClusterLab.start({ hasReplica: true });
  }, 60_000);
  afterEach(async () => {
    connection?.close();
    connection = undefined;
    await lab.stop();
  });

  /** The first candidate whose key is kept by the server that will be lost, or by one that stays. */
  function found(isLost: boolean, keyOf: (candidate: string) => string): string {
    for (;;) {
      const candidate = randomUUID();
      if (lab.isOfFirst(keyOf(candidate)) === isLost) return candidate;
    }
  }

  it.each([
    ['the server that is lost', true],
    ['one that stays', false],
  ])(
    'is followed by writes, fences and channels, where %s keeps the mark of the connection',
    async (_which, isMarkLost) => {
      const mark = found(isMarkLost, (name) => `parley:test:${name}`);
      connection = await openRedis(lab.url, {
        probeMs: 100,
        deadlineMs: 2_000,
        birthmark: `parley:test:${mark}`,
      });
      const redis = connection;
      const keys = new RedisKeys(randomUUID());
      const userId = userIdSchema.parse(
        found(true, (id) => keys.fence(slotOf(tenant, userIdSchema.parse(id)))),
      );
      const storeOf = (epoch: number) =>
        new RedisPresenceStore(redis, keys, { tenureOf: () => ({ slot: slotOf(tenant, userId), epoch }) });
      const [owner, former] = [storeOf(5), storeOf(4)];
      const channels = [true, false].map((isLost) =>
        keys.linkChannel(found(isLost, (node) => keys.linkChannel(node))),
      );
      const heard = new Set<string>();
      for (const channel of channels) await redis.subscribe(channel, (text) => heard.add(text));
      await owner.put(presenceOf(userId, 'phone'));

      await lab.failOver();

      await eventually(async () => {
        await owner.put(presenceOf(userId, 'laptop'));
        return true;
      });
      expect(await owner.devicesOf(tenant, userId)).toHaveLength(2);
      await expect(former.put(presenceOf(userId, 'tablet'))).rejects.toMatchObject({
        code: 'SN_NOT_OWNER',
      });
      // As links do: again and again until it is acknowledged.
      for (const channel of channels)
        await eventually(async () => {
          await redis.publish(channel, channel);
          return heard.has(channel);
        });
      expect(redis.isUp).toBe(true);
    },
    60_000,
  );
});

async function eventually(attempt: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + FOLLOWED_WITHIN_MS; ;) {
    const outcome = await attempt().catch((error: unknown) => error);
    if (outcome === true) return;
    if (performance.now() > deadline) throw new Error('not in time after the failover', { cause: outcome });
    await wait(100);
  }
}
