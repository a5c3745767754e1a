import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { divergedViews, presenceFlaps } from './checkers.ts';
import { Cluster } from './cluster.ts';
import { describeCluster } from './describe-cluster.ts';
import { CONVERGENCE_MS, expectNothingBroken } from './failures.ts';
import { People, type Person } from './people.ts';

/** Failure seen, a new roster, and the client back; the aim for thousands at once is 15 s. */
const RE_HOME_MS = 15_000;
const MESSAGE_EVERY_MS = 100;

describeCluster('a cluster that loses supernodes', () => {
  let cluster: Cluster;
  let people: People;
  let alice: Person;
  let bob: Person;

  beforeEach(async () => {
    cluster = await Cluster.start();
    await cluster.untilSeats(3);
    people = new People(cluster);
    alice = await people.join('alice', { home: 'node-1' });
    bob = await people.join('bob', { home: 'node-2' });
    await people.acquaint(alice, bob);
  }, 120_000);

  afterEach(async () => {
    await people.clear();
    await cluster.close();
  }, 60_000);

  /** Both see each other online, have done so for all of the time but for the first moments, and nothing was lost. */
  async function expectHealed(since: number): Promise<void> {
    const healedAt = people.history.now();
    await people.untilSeen(alice, bob, 'online', CONVERGENCE_MS);
    await people.untilSeen(bob, alice, 'online', CONVERGENCE_MS);
    await people.send(alice, bob, 'after').then((id) => people.untilShown(id, bob));
    await people.send(bob, alice, 'after').then((id) => people.untilShown(id, alice));
    const { events } = people.history;
    const users = [alice.userId, bob.userId];
    expect({
      diverged: divergedViews(
        events,
        new Map(users.map((userId) => [userId, 'online'])),
        healedAt + CONVERGENCE_MS,
      ),
      flaps: presenceFlaps(events, new Set(users), since),
    }).toEqual({ diverged: [], flaps: [] });
    expectNothingBroken(people);
  }

  /** Everything that was sent came once. */
  async function expectAllShown(ids: readonly string[], to: Person): Promise<void> {
    for (const id of ids) await people.untilShown(id, to);
  }

  it('moves the users of one that is killed while messages flow, and nothing is lost', async () => {
    const since = people.history.now();
    const flows = [
      people.flow(alice, bob, MESSAGE_EVERY_MS),
      people.flow(bob, alice, MESSAGE_EVERY_MS),
    ] as const;
    await people.send(alice, bob, 'before').then((id) => people.untilShown(id, bob));

    await cluster.node('node-2').kill();
    await people.untilOnline(bob, undefined, RE_HOME_MS);
    const reHomedAfterMs = people.history.now() - since;
    await cluster.untilRoster('a roster without it', ({ seats }) => seats.length === 2);

    expect(reHomedAfterMs).toBeLessThan(RE_HOME_MS);
    expect(people.homeOf(bob)).not.toBe('node-2');
    const [toBob, toAlice] = [await flows[0].stop(), await flows[1].stop()];
    await expectAllShown(toBob, bob);
    await expectAllShown(toAlice, alice);
    await expectHealed(since);
  }, 90_000);

  it('elects another coordinator when the one is killed', async () => {
    const before = await cluster.roster();
    const since = people.history.now();

    await cluster.node(before.coordinator).kill();
    const after = await cluster.untilRoster(
      'a roster by another coordinator',
      ({ coordinator, seats }) =>
        coordinator !== before.coordinator && !seats.some(({ nodeId }) => nodeId === before.coordinator),
    );

    expect(after.epoch).toBeGreaterThan(before.epoch);
    await people.untilOnline(alice, undefined, RE_HOME_MS);
    await people.untilOnline(bob, undefined, RE_HOME_MS);
    await expectHealed(since);
    await cluster.node(before.coordinator).start();
    await cluster.untilSeats(3);
  }, 90_000);

  it('drains one that is asked to stop: no flap, nothing lost', async () => {
    const since = people.history.now();
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);
    const returns: unknown[] = [];
    bob.client.on('state', ({ to, cause, recovered }) => {
      if (to === 'online') returns.push({ cause, recovered });
    });

    const code = await cluster.node('node-2').terminate();
    await people.untilOnline(bob, undefined, RE_HOME_MS);

    expect(code).toBe(0);
    expect(returns).toEqual([{ cause: 'resumed', recovered: true }]);
    expect(people.homeOf(bob)).not.toBe('node-2');
    await expectAllShown(await flow.stop(), bob);
    await expectHealed(since);
  }, 90_000);

  it('comes back when all are killed and started again at once', async () => {
    const since = people.history.now();
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);

    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.untilSeats(3, 60_000);
    await people.untilOnline(alice, undefined, 60_000);
    await people.untilOnline(bob, undefined, 60_000);

    await expectAllShown(await flow.stop(), bob);
    await expectHealed(since);
  }, 150_000);
});
