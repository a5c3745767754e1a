import { expect, it } from '@jest/globals';
import { once, EventEmitter } from 'node:events';
import { Metrics } from '../observability/metrics.ts';
import { describeRedis, openRedis } from '../redis/testing/describe-redis.ts';
import { RedisRosterChannel } from './roster-channel.redis.ts';
import type { Roster } from './roster.ts';
import { rosterOf } from './testing/roster-store.contract.ts';

describeRedis('RedisRosterChannel', (lab) => {
  it('brings a roster to all supernodes, and counts what is none', async () => {
    const channel = lab.freshKeys().rosterChannel;
    const metrics = new Metrics({ withProcess: false });
    const other = await openRedis(lab.server.url);
    const heard = new EventEmitter();
    const rosters: Roster[] = [];
    await new RedisRosterChannel(other, channel, metrics).listen((roster) => {
      rosters.push(roster);
      heard.emit('roster');
    });
    const own = new RedisRosterChannel(lab.connection, channel, metrics);
    const sent = [
      rosterOf(7, 'node-a', 'node-b'),
      { ...rosterOf(8, 'node-a'), seats: [], owners: [], slotEpochs: [] },
    ];

    for (const message of [
      'no JSON',
      '{}',
      JSON.stringify({ ...rosterOf(9, 'node-a'), owners: '', slotEpochs: '' }),
    ])
      await lab.connection.publish(channel, message);
    for (const roster of sent) {
      const arrived = once(heard, 'roster', { signal: AbortSignal.timeout(10_000) });
      await own.announce(roster);
      await arrived;
    }

    expect(rosters).toEqual(sent);
    expect((await metrics.exposition()).body).toContain(
      'parley_drops_total{component="cluster",reason="malformed-roster"} 3',
    );
    other.close();
  });
});
