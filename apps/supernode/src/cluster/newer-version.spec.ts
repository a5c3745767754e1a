import { describe, expect, it } from '@jest/globals';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { LinkMetrics } from '../links/link-metrics.ts';
import { MemoryLinkNetwork } from '../links/link-transport.memory.ts';
import type { LinkTransport } from '../links/link-transport.port.ts';
import { ClusterLinks } from '../links/links.service.ts';
import { Metrics } from '../observability/metrics.ts';
import { RedisKeys } from '../redis/redis-keys.ts';
import { RedisMembershipStore } from './membership.redis.ts';
import { RedisRosterChannel } from './roster-channel.redis.ts';
import type { Roster } from './roster.ts';
import { rosterOf } from './testing/roster-store.contract.ts';
import { seenNode } from './testing/seen-node.ts';

const alice = callerNamed('alice');
const MORE = { addedLater: { deep: [1, 'two'] } };

/** Every object says more than this version knows. */
function asNewer(value: unknown): unknown {
  if (Array.isArray(value)) return (value as unknown[]).map(asNewer);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, asNewer(field)] as const);
  return { ...Object.fromEntries(fields), ...MORE };
}

describe('what a supernode of a newer minor version writes', () => {
  it('is understood on links: messages, requests and answers with more in them, and what is unknown stops nothing', async () => {
    const time = new ManualTime();
    const network = new MemoryLinkNetwork();
    const metrics = new Metrics({ withProcess: false });
    const open = async (nodeId: string, transport: LinkTransport) => {
      const links = new ClusterLinks(
        { nodeId, incarnation: 1 },
        {
          transport,
          clock: time,
          scheduler: time,
          background: new BackgroundTasks(),
          metrics: new LinkMetrics(nodeId === 'older' ? metrics : new Metrics({ withProcess: false })),
        },
      );
      await links.open();
      return links;
    };
    const plain = network.transport();
    const newer = await open('newer', {
      open: (nodeId, receive) => plain.open(nodeId, receive),
      publish: (to, text) => {
        const frame = asNewer(JSON.parse(text)) as unknown[];
        // An event that is new in its version goes first.
        const messages = (frame[5] as [number, unknown[] | null][]).map(
          ([sequence, body]) =>
            [
              sequence,
              body?.[0] === 'relays.close-between' && sequence === 1 ? ['news.of-later', MORE] : body,
            ] as const,
        );
        return plain.publish(to, JSON.stringify([...frame.slice(0, 5), messages, MORE]));
      },
      close: () => plain.close(),
    });
    const older = await open('older', network.transport());
    const told: unknown[] = [];
    older.onTell('relays.close-between', ({ users }) => void told.push(users));
    older.onRequest('ping', () => ({ at: 7 }));
    newer.onRequest('ping', () => ({ at: 9 }));
    const block = { tenant: alice.tenant, users: [alice.userId, alice.userId] } as const;
    const turn = async (): Promise<void> => {
      for (let count = 0; count < 12; count += 1) await settled();
    };

    newer.tell('older', 'relays.close-between', block);
    newer.tell('older', 'relays.close-between', block);
    const answers = [newer.request('older', 'ping', {}), older.request('newer', 'ping', {})];
    for (let passed = 0; passed < 1_000; passed += 50) {
      await turn();
      await time.advance(50);
    }

    expect(told).toEqual([block.users]);
    expect(await Promise.all(answers)).toEqual([{ at: 7 }, { at: 9, ...MORE }]);
    expect((await metrics.exposition()).body).toMatch(/reason="unknown-message"[^}]*\} 1$/m);
  });

  it('is understood as a roster that is announced', async () => {
    const published: string[] = [];
    const heard: Roster[] = [];
    let listen: (message: string) => void = () => undefined;
    const channel = new RedisRosterChannel(
      {
        publish: (_channel, message) => {
          published.push(message);
          return Promise.resolve();
        },
        subscribe: (_channel, listener) => {
          listen = listener;
          return Promise.resolve();
        },
      },
      'roster',
      { drop: () => undefined },
    );
    const roster = rosterOf(7, 'node-a', 'node-b');
    await channel.listen((found) => heard.push(found));
    await channel.announce(roster);

    listen(JSON.stringify(asNewer(JSON.parse(published[0] ?? ''))));

    expect(heard).toEqual([roster]);
  });

  it('is understood as the record of a supernode', async () => {
    const { record } = seenNode('node-a', { version: '0.2.0' });
    const store = new RedisMembershipStore(
      {
        run: () => Promise.resolve([`1 ${JSON.stringify(asNewer(record))}`]),
        command: () => Promise.resolve(null),
      },
      new RedisKeys('test'),
    );

    expect(await store.list()).toEqual([expect.objectContaining({ nodeId: 'node-a', version: '0.2.0' })]);
  });
});
