import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { EdgeClientError, type PresenceSetting } from '@parley/edge-client';
import { Cluster } from './cluster.ts';
import { describeCluster } from './describe-cluster.ts';
import { expectConverged, expectNothingBroken, untilHealed } from './failures.ts';
import { homeOf } from './observed-roster.ts';
import { People, type MessageFlow, type Person } from './people.ts';
import type { SupernodeNode } from './supernode-node.ts';

const PAUSE_MS = 15_000;
const OUTAGE_MS = 6_000;
const RE_HOME_MS = 30_000;
const CHANGES = ['presence.set', 'contacts.request'];
/** In which a request comes to the socket of a process that does not read it. */
const UNDER_WAY_MS = 500;
/** Longer than any test. */
const LASTING_MS = 600_000;
const MESSAGE_EVERY_MS = 200;

describeCluster('a cluster whose parts do not reach each other', () => {
  let cluster: Cluster;
  let people: People;
  let alice: Person;
  let bob: Person;
  let carol: Person;

  beforeEach(async () => {
    cluster = await Cluster.start({ hasProxies: true });
    await cluster.untilSeats(3);
    people = new People(cluster);
    alice = await people.join('alice', { home: 'node-1' });
    bob = await people.join('bob', { home: 'node-2' });
    carol = await people.join('carol', { home: 'node-2' });
    await people.acquaint(alice, bob);
    await people.acquaint(carol, bob);
  }, 120_000);

  afterEach(async () => {
    await people.clear();
    await cluster.close();
  }, 60_000);

  /** All see each other so soon enough after it was healed, everything that was sent came once, and each slot had one owner. */
  async function expectHealed(
    healing: Promise<number>,
    flow: MessageFlow,
    wanted: readonly (readonly [Person, string])[],
  ): Promise<void> {
    const healedAt = await healing;
    await expectConverged(people, wanted, healedAt);
    await cluster.untilSeats(3, 60_000);
    await people.send(bob, alice, 'after').then((id) => people.untilShown(id, alice));
    for (const id of await flow.stop()) await people.untilShown(id, bob);
    // Also while slots went to the third.
    await expectConverged(people, wanted, healedAt);
    await expectNothingBroken(people);
  }

  /** What became of a setting, by the supernode that granted it or by the code of its refusal. */
  function outcomeOf(setting: Promise<unknown>, person: Person): Promise<string | undefined> {
    return setting.then(
      () => people.homeOf(person),
      (error: unknown) => (error instanceof EdgeClientError ? error.code : undefined),
    );
  }

  const set = (person: Person, state: PresenceSetting['state']) =>
    people.ask(person, ({ presence }) => presence.set({ state }));

  /** What a supernode did with what users wanted changed. */
  async function dealings(
    node: SupernodeNode,
  ): Promise<{ granted: number; refused: number; redirected: number }> {
    const count = async (...outcomes: readonly string[]): Promise<number> => {
      const labels = CHANGES.flatMap((event) => outcomes.map((outcome) => ({ event, outcome })));
      const counts = await Promise.all(
        labels.map((label) => node.metric('parley_edge_requests_total', label)),
      );
      return counts.reduce((sum, one) => sum + one, 0);
    };
    return {
      granted: await count('ok'),
      refused: await count('NOT_HOME', 'BUSY'),
      redirected: await node.metric('parley_edge_redirects_total'),
    };
  }

  it('takes the users of one whose process stands still, which then does not act for them', async () => {
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);
    const paused = cluster.node('node-2');
    const before = await dealings(paused);
    paused.pause();
    // It lies in the socket of the paused process when it reads at last, and its sender is gone by then.
    const early = outcomeOf(set(bob, 'busy'), bob);
    const without = await cluster.untilRoster('a roster without it', ({ seats }) => seats.length === 2);
    await delay(PAUSE_MS); // the fault itself: so long does its clock stand still
    await people.untilMoved(bob, 'node-2', RE_HOME_MS);
    // Who asked for nothing is still there, and waits for the answer to this.
    expect(people.homeOf(carol)).toBe('node-2');
    const late = outcomeOf(
      people.ask(carol, ({ contacts }) => contacts.request(alice.userId)),
      carol,
    );
    await delay(UNDER_WAY_MS);
    paused.proceed();
    const healing = untilHealed(cluster, people, [alice, bob, carol]);

    expect(without.seats.map(({ nodeId }) => nodeId)).not.toContain('node-2');
    expect([await early, await late]).not.toContain('node-2');
    await healing;
    const after = await dealings(paused);
    expect(after.granted).toBe(before.granted);
    // Refused, or their connections ended, whichever it came to first.
    expect(after.refused + after.redirected).toBeGreaterThan(before.refused + before.redirected);
    expect(alice.client.contacts.get(carol.userId)).toBeUndefined();
    await expectHealed(healing, flow, [
      [alice, 'online'],
      [bob, 'online'],
      [carol, 'online'],
    ]);
  }, 120_000);

  it('goes on when Redis is killed and comes back empty', async () => {
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);
    await cluster.redis.kill();
    // Of one home: they still reach each other.
    const sent = await carol.client.messages.send(bob.userId, 'without Redis');
    await sent.delivered;
    await delay(OUTAGE_MS); // the fault itself
    // Nobody of another home can hear of it yet.
    await set(bob, 'busy');
    expect(alice.client.presence.get(bob.userId)?.state).toBe('online');
    await cluster.redis.start();

    await expectHealed(untilHealed(cluster, people, [alice, bob, carol]), flow, [
      [alice, 'online'],
      [bob, 'busy'],
      [carol, 'online'],
    ]);
  }, 120_000);

  it('goes on when the database is killed and comes back, and keeps its roster meanwhile', async () => {
    const before = await cluster.roster();
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);
    await cluster.restartDatabase(async () => {
      await delay(OUTAGE_MS); // the fault itself
      expect([alice, bob, carol].map(({ client }) => client.state)).toEqual(['online', 'online', 'online']);
      // A lasting choice is kept in the database, and refused meanwhile; one that ends by itself stands, also where its answer,
      // which tells more than it, fails. Who may see it is in the database: nobody is told yet.
      const setting = people.ask(bob, ({ presence }) =>
        presence.set({ state: 'busy', expiresInMs: LASTING_MS }),
      );
      expect(['node-2', 'STORE_UNAVAILABLE']).toContain(await outcomeOf(setting, bob));
    });

    const healing = untilHealed(cluster, people, [alice, bob, carol]);
    await expectHealed(healing, flow, [
      [alice, 'online'],
      [bob, 'busy'],
      [carol, 'online'],
    ]);
    expect((await cluster.roster()).seats.map(({ incarnation }) => incarnation)).toEqual(
      before.seats.map(({ incarnation }) => incarnation),
    );
  }, 120_000);

  it.each(['cut', 'silence'] as const)(
    'takes the users of one that is cut off from Redis, though their connections stand (%s)',
    async (fault) => {
      const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);
      const { redis } = cluster.links('node-2');
      redis[fault]();
      // What of this is on its way to Redis comes there when others have long followed.
      const early = set(carol, 'away').catch((error: unknown) => error);
      const without = await cluster.untilRoster('a roster without it', ({ seats }) => seats.length === 2);
      const homes = [
        await people.untilMoved(bob, 'node-2', RE_HOME_MS),
        await people.untilMoved(carol, 'node-2', RE_HOME_MS),
      ];
      await early;
      // Served by others while the former home is still cut off.
      await set(carol, 'online');
      await set(bob, 'busy');
      const wanted = [
        [alice, 'online'],
        [bob, 'busy'],
        [carol, 'online'],
      ] as const;
      const healedAt = await untilHealed(cluster, people, [alice, bob, carol]);
      await expectConverged(people, wanted, healedAt);
      expect(homes).toEqual([bob, carol].map(({ userId }) => homeOf(without, userId)?.nodeId));
      expect([bob, carol].map((person) => people.homeOf(person))).toEqual(homes);
      redis.restore();

      await expectHealed(Promise.resolve(healedAt), flow, wanted);
    },
    120_000,
  );
});
