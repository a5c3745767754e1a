import { afterAll, describe, expect, it } from '@jest/globals';
import { once, EventEmitter } from 'node:events';
import { BackgroundTasks } from '../background-tasks.ts';
import { systemClock } from '../clock/system-clock.ts';
import { systemScheduler } from '../clock/system-scheduler.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { Metrics } from '../observability/metrics.ts';
import type { RedisConnection } from '../redis/redis-connection.redis.ts';
import { describeRedis, openRedis } from '../redis/testing/describe-redis.ts';
import { LinkMetrics } from './link-metrics.ts';
import { RedisLinkTransport } from './link-transport.redis.ts';
import { ClusterLinks } from './links.service.ts';
import { linkTransportContract } from './testing/link-transport.contract.ts';

const alice = callerNamed('alice');
const told = (n: number) => ({
  tenant: alice.tenant,
  userId: alice.userId,
  event: `number-${n}`,
  payload: {},
});

describeRedis('links over Redis', (lab) => {
  const open: { links: ClusterLinks; connection: RedisConnection }[] = [];
  const connections: RedisConnection[] = [];
  afterAll(async () => {
    for (const connection of connections) connection.close();
    for (const { links, connection } of open) {
      await links.shutDown().catch(() => undefined);
      connection.close();
    }
  });

  linkTransportContract(async (count) => {
    const keys = lab.freshKeys();
    const own = await Promise.all(Array.from({ length: count }, () => openRedis(lab.server.url)));
    connections.push(...own);
    return own.map((connection) => new RedisLinkTransport(connection, keys));
  });

  async function twoSupernodes() {
    const keys = lab.freshKeys();
    const [a, b] = await Promise.all(
      ['a', 'b'].map(async (nodeId) => {
        const connection = await openRedis(lab.server.url, { probeMs: 100 });
        const links = new ClusterLinks(
          { nodeId, incarnation: 1 },
          {
            transport: new RedisLinkTransport(connection, keys),
            clock: systemClock,
            scheduler: systemScheduler,
            background: new BackgroundTasks(),
            metrics: new LinkMetrics(new Metrics({ withProcess: false })),
          },
        );
        await links.open();
        open.push({ links, connection });
        return links;
      }),
    );
    b!.onRequest('ping', () => ({ at: 1 }));
    return { a: a!, b: b! };
  }

  it('answer requests, and bring what is told in order', async () => {
    const { a, b } = await twoSupernodes();
    const heard = new EventEmitter();
    const seen: string[] = [];
    b.onTell('user.event', ({ event }) => {
      seen.push(event);
      if (seen.length === 500) heard.emit('all');
    });
    await expect(a.request('b', 'ping', {})).resolves.toEqual({ at: 1 });
    const all = once(heard, 'all', { signal: AbortSignal.timeout(10_000) });
    for (let n = 0; n < 500; n += 1) a.tell('b', 'user.event', told(n));
    await all;
    expect(seen).toEqual(Array.from({ length: 500 }, (_, n) => `number-${n}`));
  });

  it('lose nothing and bring nothing twice when Redis is killed and comes back empty', async () => {
    const { a, b } = await twoSupernodes();
    const heard = new EventEmitter();
    const seen: string[] = [];
    b.onTell('user.event', ({ event }) => {
      seen.push(event);
      if (event === 'number-199') heard.emit('last');
    });
    await a.request('b', 'ping', {});
    const last = once(heard, 'last', { signal: AbortSignal.timeout(30_000) });
    for (let n = 0; n < 100; n += 1) a.tell('b', 'user.event', told(n), { deadlineMs: 60_000 });
    await lab.server.kill();
    for (let n = 100; n < 200; n += 1) a.tell('b', 'user.event', told(n), { deadlineMs: 60_000 });
    await lab.server.begin();
    await last;
    expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => `number-${n}`));
  }, 60_000);
});

describe('links to nobody', () => {
  it('fail typed', async () => {
    const links = new ClusterLinks(
      { nodeId: 'a', incarnation: 1 },
      {
        transport: {
          open: () => Promise.resolve(),
          publish: () => Promise.reject(new TypeError('away')),
          close: () => Promise.resolve(),
        },
        clock: systemClock,
        scheduler: systemScheduler,
        background: new BackgroundTasks(),
        metrics: new LinkMetrics(new Metrics({ withProcess: false })),
      },
    );
    await links.open();
    await expect(links.request('b', 'ping', {}, { deadlineMs: 100 })).rejects.toMatchObject({
      code: 'SN_LINK_TIMEOUT',
    });
    await links.shutDown();
  });
});
