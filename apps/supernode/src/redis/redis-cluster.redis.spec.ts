import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { once, EventEmitter } from 'node:events';
import { randomUUID } from 'node:crypto';
import { RedisCoordinatorLease, RedisMembershipStore } from '../cluster/membership.redis.ts';
import { membershipContract } from '../cluster/testing/membership.contract.ts';
import { slotOf } from '../cluster/slot.ts';
import { resourceIndexContract } from '../directory/testing/resource-index.contract.ts';
import { RedisResourceIndex } from '../directory/resource-index.redis.ts';
import { RedisResumeStore } from '../gateway/resume-store.redis.ts';
import { describeResumeStore } from '../gateway/testing/resume-store.contract.ts';
import { RedisPresenceStore } from '../presence/presence-store.redis.ts';
import { presenceStoreContract } from '../presence/testing/presence-store.contract.ts';
import { watchStoreContract } from '../presence/testing/watch-store.contract.ts';
import { RedisWatchStore } from '../presence/watch-store.redis.ts';
import { RedisSessionBook } from '../rendezvous/session-book.redis.ts';
import { sessionBookContract } from '../rendezvous/testing/session-book.contract.ts';
import type { Ownership } from '../cluster/ownership.port.ts';
import type { RedisConnection } from './redis-connection.redis.ts';
import { RedisKeys } from './redis-keys.ts';
import { describeWithRedisServer, openRedis } from './testing/describe-redis.ts';
import { RedisClusterLab } from './testing/redis-cluster.ts';
import { passInRedis } from './testing/redis-pass.ts';

const home: Pick<Ownership, 'tenureOf'> = {
  tenureOf: (tenant, userId) => ({ slot: slotOf(tenant, userId), epoch: 1 }),
};
const freshKeys = () => new RedisKeys(randomUUID());

/** A script whose keys are on several servers is refused, so what passes here keeps to one hash slot. */
describeWithRedisServer('a Redis Cluster', () => {
  let lab: RedisClusterLab;
  let connection: RedisConnection;
  let isOpen = false;
  beforeAll(async () => {
    lab = await RedisClusterLab.start();
    connection = await openRedis(lab.url);
    isOpen = true;
  }, 60_000);
  afterAll(async () => {
    if (isOpen) connection.close();
    await lab.stop();
  });

  presenceStoreContract((ownership) => new RedisPresenceStore(connection, freshKeys(), ownership));
  watchStoreContract(() => new RedisWatchStore(connection, freshKeys(), home));
  sessionBookContract(() => new RedisSessionBook(connection, freshKeys(), { now: () => 0 }));
  resourceIndexContract(() => {
    const keys = freshKeys();
    return {
      index: new RedisResourceIndex(connection, keys, home),
      pass: (milliseconds) => passInRedis(connection, keys.coordinator, milliseconds),
    };
  });
  describeResumeStore('Redis Cluster', () => new RedisResumeStore(connection, freshKeys()));
  membershipContract(() => {
    const keys = freshKeys();
    return {
      members: new RedisMembershipStore(connection, keys),
      coordinator: new RedisCoordinatorLease(connection, keys),
      pass: (milliseconds) => passInRedis(connection, keys.coordinator, milliseconds),
    };
  });

  it('spreads live state over its servers', () => {
    for (const count of lab.keyCounts()) expect(count).toBeGreaterThan(10);
  });

  it('carries messages from one supernode to another', async () => {
    const other = await openRedis(lab.url);
    try {
      const heard = new EventEmitter();
      const channels = Array.from({ length: 8 }, (_, n) => freshKeys().linkChannel(`node-${n}`));
      for (const channel of channels) await other.subscribe(channel, (text) => heard.emit(channel, text));
      for (const channel of channels) {
        const message = once(heard, channel, { signal: AbortSignal.timeout(10_000) });
        await connection.publish(channel, channel);
        expect(await message).toEqual([channel]);
      }
    } finally {
      other.close();
    }
  });
});
