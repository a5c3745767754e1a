import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { slotOf } from '../cluster/slot.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { RedisPresenceStore } from '../presence/presence-store.redis.ts';
import { presenceOf } from '../presence/testing/presence-store.contract.ts';
import type { RedisConnection } from './redis-connection.redis.ts';
import { RedisKeys } from './redis-keys.ts';
import { describeWithRedisServer, openRedis } from './testing/describe-redis.ts';
import { RedisSentinelLab } from './testing/redis-sentinel.ts';

describeWithRedisServer('Redis behind sentinels', () => {
  let lab: RedisSentinelLab;
  let connection: RedisConnection;
  let isOpen = false;
  beforeAll(async () => {
    lab = await RedisSentinelLab.start();
    connection = await openRedis(lab.url, { probeMs: 100 });
    isOpen = true;
  }, 60_000);
  afterAll(async () => {
    if (isOpen) connection.close();
    await lab.stop();
  });

  it('goes on with the server that the sentinels name after the other one', async () => {
    const { tenant, userId } = callerNamed('alice');
    const store = new RedisPresenceStore(connection, new RedisKeys(randomUUID()), {
      tenureOf: () => ({ slot: slotOf(tenant, userId), epoch: 1 }),
    });
    const heard = new EventEmitter();
    await connection.subscribe('news', (message) => heard.emit('news', message));
    await store.put(presenceOf('alice', 'phone'));

    const news = new EventEmitter();
    connection.onStateChange((isUp) => news.emit(isUp ? 'up' : 'down'));
    const limit = { signal: AbortSignal.timeout(30_000) };
    const back = once(news, 'down', limit).then(() => once(news, 'up', limit));
    await lab.failOver();
    await back;

    await store.put(presenceOf('alice', 'laptop'));
    expect((await store.devicesOf(tenant, userId)).length).toBeGreaterThan(0);
    const message = once(heard, 'news', limit);
    await connection.publish('news', 'hello');
    expect(await message).toEqual(['hello']);
  }, 90_000);
});
