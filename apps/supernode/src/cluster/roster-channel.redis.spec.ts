import { afterAll, expect, it } from '@jest/globals';
import { once, EventEmitter } from 'node:events';
import { Metrics } from '../observability/metrics.ts';
import type { RedisConnection } from '../redis/redis-connection.redis.ts';
import { describeRedis, openRedis } from '../redis/testing/describe-redis.ts';
import { RedisRosterChannel } from './roster-channel.redis.ts';
import type { Roster } from './roster.ts';
import { rosterChannelContract } from './testing/roster-channel.contract.ts';
import { rosterOf } from './testing/roster-store.contract.ts';

describeRedis('RedisRosterChannel', (lab) => {
  const connections: RedisConnection[] = [];
  afterAll(() => {
    for (const connection of connections) connection.close();
  });

  rosterChannelContract(async (count) => {
    const channel = lab.freshKeys().rosterChannel;
    const own = await Promise.all(Array.from({ length: count }, () => openRedis(lab.server.url)));
    connections.push(...own);
    const metrics = new Metrics({ withProcess: false });
    return own.map((connection) => new RedisRosterChannel(connection, channel, metrics));
  });

  it('counts what is no roster, and goes on', async () => {
    const channel = lab.freshKeys().rosterChannel;
    const metrics = new Metrics({ withProcess: false });
    const heard = new EventEmitter();
    const rosters: Roster[] = [];
    await new RedisRosterChannel(lab.connection, channel, metrics).listen((roster) => {
      rosters.push(roster);
      heard.emit('roster');
    });
    const arrived = once(heard, 'roster', { signal: AbortSignal.timeout(10_000) });

    for (const message of [
      'no JSON',
      '{}',
      JSON.stringify({ ...rosterOf(9, 'node-a'), owners: '', slotEpochs: '' }),
    ])
      await lab.connection.publish(channel, message);
    await new RedisRosterChannel(lab.connection, channel, metrics).announce(rosterOf(7, 'node-a'));
    await arrived;

    expect(rosters).toEqual([rosterOf(7, 'node-a')]);
    expect((await metrics.exposition()).body).toContain(
      'parley_drops_total{component="cluster",reason="malformed-roster"} 3',
    );
  });
});
