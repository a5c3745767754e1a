import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Call, EdgeClient, IncomingCall } from '@parley/edge-client';
import { ClientBench, nextSession } from '../system/clients.ts';
import { Cluster } from './cluster.ts';
import { describeCluster } from './describe-cluster.ts';
import { CONVERGENCE_MS, expectNothingBroken, untilHealed } from './failures.ts';
import { People, type Person } from './people.ts';
import { answerOf, until } from './waiting.ts';

/** A supernode acts by its lease for 2.5 s; after that it goes on because nobody can follow it. */
const OUTAGE_MS = 4_000;
const SESSION_MS = 15_000;

describeCluster('users of one home without Redis', () => {
  let cluster: Cluster;
  let people: People;
  let bench: ClientBench;
  let alice: Person;
  let bob: Person;
  let carol: Person;
  let tablet: EdgeClient;

  beforeEach(async () => {
    cluster = await Cluster.start();
    await cluster.untilSeats(3);
    people = new People(cluster);
    alice = await people.join('alice', { home: 'node-1' });
    bob = await people.join('bob', { home: 'node-2' });
    carol = await people.join('carol', { home: 'node-2' });
    await people.acquaint(alice, bob);
    await people.acquaint(carol, bob);
    bench = new ClientBench(cluster.node('node-2').url);
    tablet = await bench.open();
    const { code, approved } = await tablet.linkCode();
    await bob.client.approveLink(code, { name: 'tablet' });
    await approved;
    await tablet.connect();
    await carol.client.devices(bob.userId);
  }, 120_000);

  afterEach(async () => {
    await bench.clear();
    await people.clear();
    await cluster.close();
  }, 60_000);

  async function loseRedis(): Promise<void> {
    await cluster.redis.kill();
    await delay(OUTAGE_MS); // the fault itself: beyond the leases
  }

  async function sessionsInRedis(): Promise<string> {
    return (await answerOf(cluster.redis.port, 'KEYS *{sessions}:one:*\r\n')) ?? '';
  }

  async function ring(): Promise<{ readonly call: Call; readonly rung: readonly IncomingCall[] }> {
    const incoming = [bob.client, tablet].map(nextIncoming);
    const call = carol.client.calls.call(bob.userId);
    const ended = call.ended.then(({ cause }) => Promise.reject(new TypeError(`the call ended: ${cause}`)));
    return { call, rung: await Promise.race([Promise.all(incoming), ended]) };
  }

  /** Both devices accept at once. Resolves when the call goes on, with those at which it does. */
  async function answer(call: Call, rung: readonly IncomingCall[]): Promise<readonly IncomingCall[]> {
    await Promise.allSettled(rung.map((incoming) => incoming.accept()));
    await until('a call that is answered', () => call.state === 'active' || undefined, SESSION_MS);
    return rung.filter(({ state }) => state !== 'ended');
  }

  it('lets them call, open sessions and see each other, and nobody else notices afterwards', async () => {
    await loseRedis();
    const health = await fetch(new URL('/health/ready', cluster.node('node-2').url));
    expect({ status: health.status, report: await health.json() }).toMatchObject({
      status: 200,
      report: { status: 'degraded' },
    });
    await carol.client.presence.set({ state: 'busy' });
    await people.untilSeen(bob, carol, 'busy');
    const { call, rung } = await ring();
    const answered = await answer(call, rung);
    const [session] = await Promise.all([
      carol.client.openSession(bob.userId),
      Promise.any([nextSession(bob.client), nextSession(tablet)]),
    ]);
    await people.send(carol, bob, 'without Redis').then((id) => people.untilShown(id, bob));
    await expect(alice.client.openSession(bob.userId, { timeoutMs: 3000 })).rejects.toThrow();

    // Rings from the time without Redis into the time after it, which knows nothing of the time before.
    await call.hangUp();
    const later = await ring();
    await cluster.redis.start();
    await untilHealed(cluster, people, [alice, bob, carol]);
    await people.untilSeen(alice, bob, 'online', CONVERGENCE_MS);
    await until(
      'the call in Redis',
      async () => (await sessionsInRedis()).includes(later.call.id) || undefined,
      SESSION_MS,
    );
    const answeredLater = await answer(later.call, later.rung);
    await later.call.hangUp();
    const [end] = await Promise.all([later.call.ended, session.close()]);

    expect({ answered: answered.length, answeredLater: answeredLater.length }).toEqual({
      answered: 1,
      answeredLater: 1,
    });
    expect(end).toMatchObject({ cause: 'hang-up', outcome: 'completed' });
    await until(
      'both calls in the history',
      async () => {
        const history = await carol.client.calls.history();
        return history.map(({ outcome }) => outcome).join() === 'completed,completed' || undefined;
      },
      SESSION_MS,
    );
    await carol.client.presence.set({ state: 'online' });
    await people.untilSeen(bob, carol, 'online', CONVERGENCE_MS);
    // The home of the other user comes back to Redis at a moment of its own.
    const across = await until(
      'a session between two homes',
      () => alice.client.openSession(bob.userId).catch(() => undefined),
      SESSION_MS,
    );
    await across.close();
    await expectNothingBroken(people);
  }, 120_000);
});

function nextIncoming(client: EdgeClient): Promise<IncomingCall> {
  return new Promise((resolve) => {
    const off = client.calls.on('incoming', (call) => {
      off();
      resolve(call);
    });
  });
}
