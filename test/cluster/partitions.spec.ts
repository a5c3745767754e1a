import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { divergedViews } from './checkers.ts';
import { Cluster } from './cluster.ts';
import { describeCluster } from './describe-cluster.ts';
import { CONVERGENCE_MS, expectNothingBroken } from './failures.ts';
import { People, type Person } from './people.ts';

const PAUSE_MS = 15_000;
const OUTAGE_MS = 6_000;
const RE_HOME_MS = 30_000;
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

  /** All see each other online again, everything that was sent came once, and each slot had one owner. */
  async function expectHealed(ids: readonly string[]): Promise<void> {
    const healedAt = people.history.now();
    await people.untilSeen(alice, bob, 'online', CONVERGENCE_MS);
    await people.untilSeen(bob, alice, 'online', CONVERGENCE_MS);
    await people.untilSeen(carol, bob, 'online', CONVERGENCE_MS);
    await people.send(bob, alice, 'after').then((id) => people.untilShown(id, alice));
    for (const id of ids) await people.untilShown(id, bob);
    const expected = new Map([alice.userId, bob.userId, carol.userId].map((userId) => [userId, 'online']));
    expect(divergedViews(people.history.events, expected, healedAt + CONVERGENCE_MS)).toEqual([]);
    expectNothingBroken(people);
  }

  it('takes the users of one whose process stands still, which then does not act for them', async () => {
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);
    const paused = cluster.node('node-2');
    paused.pause();
    // It lies in the socket of the paused process, which must not carry it out when it reads it at last.
    const setting = bob.client.presence.set({ state: 'busy' }).then(
      () => 'busy',
      () => 'online',
    );
    const without = await cluster.untilRoster('a roster without it', ({ seats }) => seats.length === 2);
    await delay(PAUSE_MS); // the fault itself: so long does its clock stand still
    paused.proceed();

    await people.untilOnline(bob, undefined, RE_HOME_MS);
    const wanted = await setting;
    await people.untilSeen(alice, bob, wanted, CONVERGENCE_MS);
    await people.untilSeen(carol, bob, wanted, CONVERGENCE_MS);
    await bob.client.presence.set({ state: 'online' });
    const ids = await flow.stop();
    await cluster.untilSeats(3, 60_000);
    const incarnations = (await cluster.roster()).seats.map(({ incarnation }) => incarnation);

    expect(without.seats.map(({ nodeId }) => nodeId)).not.toContain('node-2');
    expect(new Set(incarnations).size).toBe(3);
    await expectHealed(ids);
  }, 120_000);

  it('goes on when Redis is killed and comes back empty', async () => {
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);
    await cluster.redis.kill();
    // Of one home: they still reach each other.
    const sent = await carol.client.messages.send(bob.userId, 'without Redis');
    await sent.delivered;
    await delay(OUTAGE_MS); // the fault itself
    await cluster.redis.start();

    await cluster.untilSeats(3, 60_000);
    await expectHealed(await flow.stop());
  }, 120_000);

  it('goes on when the database is killed and comes back, and keeps its roster meanwhile', async () => {
    const before = await cluster.roster();
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);
    await cluster.restartDatabase(async () => {
      await delay(OUTAGE_MS); // the fault itself
      expect([alice, bob, carol].map(({ client }) => client.state)).toEqual(['online', 'online', 'online']);
    });

    const ids = await flow.stop();
    expect((await cluster.roster()).seats.map(({ incarnation }) => incarnation)).toEqual(
      before.seats.map(({ incarnation }) => incarnation),
    );
    await expectHealed(ids);
  }, 120_000);

  it('takes the users of one that is cut off from Redis, though their connections stand', async () => {
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);
    const { redis } = cluster.links('node-2');
    redis.cut();
    await cluster.untilRoster('a roster without it', ({ seats }) => seats.length === 2);
    await people.untilOnline(bob, undefined, RE_HOME_MS);
    redis.restore();

    const ids = await flow.stop();
    await cluster.untilSeats(3, 60_000);
    await expectHealed(ids);
  }, 120_000);
});
