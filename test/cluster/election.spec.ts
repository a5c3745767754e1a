import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Cluster } from './cluster.ts';
import { describeCluster } from './describe-cluster.ts';
import { SLOT_COUNT, type ObservedRoster } from './observed-roster.ts';
import { until } from './waiting.ts';

/** From the death of a supernode to a roster without it. */
const DETECTION_MS = 5_000;
/** Nobody owns more slots than this times what is due to its weight. */
const BOUNDED_LOAD = 1.25;

/** How many slots each seat owns. */
function slotsBySeat({ seats, owners }: ObservedRoster): Map<string, number> {
  const counts = new Map(seats.map(({ nodeId }) => [nodeId, 0]));
  for (const owner of owners) {
    const nodeId = seats[owner]?.nodeId ?? 'nobody';
    counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  }
  return counts;
}

/** Who owns each slot. */
function ownersOf({ seats, owners }: ObservedRoster): (string | undefined)[] {
  return owners.map((owner) => seats[owner]?.nodeId);
}

describeCluster('an election', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start();
    await cluster.untilSeats(3);
  }, 120_000);

  afterAll(async () => {
    await cluster.close();
  }, 60_000);

  it('gives every slot to one of three seats, in shares as their weights', async () => {
    const roster = await cluster.roster();

    const counts = slotsBySeat(roster);
    const weights = roster.seats.reduce((sum, { weight }) => sum + weight, 0);
    expect([...counts.keys()].sort()).toEqual(['node-1', 'node-2', 'node-3']);
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(SLOT_COUNT);
    for (const { nodeId, weight } of roster.seats)
      expect(counts.get(nodeId)).toBeLessThanOrEqual(
        Math.ceil((BOUNDED_LOAD * SLOT_COUNT * weight) / weights),
      );
  });

  it('moves the slots of one that is killed to the others within five seconds, and no others', async () => {
    const before = await cluster.roster();
    const victim = before.seats.find(({ nodeId }) => nodeId !== before.coordinator)?.nodeId ?? '';
    const began = performance.now();

    await cluster.node(victim).kill();
    const after = await cluster.untilRoster(
      'a roster without it',
      ({ seats }) => !seats.some(({ nodeId }) => nodeId === victim),
    );

    expect(performance.now() - began).toBeLessThan(DETECTION_MS);
    expect(after.epoch).toBeGreaterThan(before.epoch);
    const [had, has] = [ownersOf(before), ownersOf(after)];
    expect(has).not.toContain(undefined);
    const moved = had.flatMap((owner, slot) => (owner === has[slot] ? [] : [owner]));
    expect(new Set(moved)).toEqual(new Set([victim]));

    await cluster.node(victim).start();
    await cluster.untilSeats(3);
  }, 60_000);

  it('elects another coordinator when that one is killed', async () => {
    const before = await cluster.roster();
    const began = performance.now();

    await cluster.node(before.coordinator).kill();
    const after = await cluster.untilRoster(
      'a roster by another coordinator',
      ({ coordinator, seats }) =>
        coordinator !== before.coordinator && !seats.some(({ nodeId }) => nodeId === before.coordinator),
    );

    // Its lease ends first, then somebody takes it and reads the stores.
    expect(performance.now() - began).toBeLessThan(2 * DETECTION_MS);
    expect(ownersOf(after)).not.toContain(undefined);
    await cluster.node(before.coordinator).start();
    await cluster.untilSeats(3);
  }, 60_000);

  it('shows operators the same of every supernode, and drains one by way of another', async () => {
    const { seats, coordinator } = await cluster.roster();
    const states = async (nodeId: string) => {
      const { items } = (await cluster.node(nodeId).admin('/v1/supernodes')) as {
        items: { nodeId: string; state: string; isCoordinator: boolean; slots: number }[];
      };
      return items;
    };
    const wanted = ['node-1', 'node-2', 'node-3'].map((name) => [name, 'active', name === coordinator]);
    for (const { nodeId } of seats) {
      // A supernode hears of a new state of another one with its next lease.
      const items = await until('the same view of all', async () => {
        const found = await states(nodeId);
        const seen = found.map((item) => [item.nodeId, item.state, item.isCoordinator]);
        return JSON.stringify(seen) === JSON.stringify(wanted) ? found : undefined;
      });
      expect(items.reduce((sum, { slots }) => sum + slots, 0)).toBe(SLOT_COUNT);
      expect(await cluster.node(nodeId).admin('/v1/election')).toMatchObject({ coordinator });
    }
    const [asked, drained] = seats.map(({ nodeId }) => nodeId);

    await cluster.node(asked ?? '').admin(`/v1/supernodes/${drained ?? ''}/drain`, 'POST');
    await cluster.untilRoster(
      'a roster without it',
      (roster) => !roster.seats.some(({ nodeId }) => nodeId === drained),
    );
    const after = await until('its new state at the one that was asked', async () =>
      (await states(asked ?? '')).find(({ nodeId, state }) => nodeId === drained && state !== 'active'),
    );
    expect(after).toMatchObject({ state: 'draining', slots: 0 });

    expect(await cluster.node(drained ?? '').terminate()).toBe(0);
    await cluster.node(drained ?? '').start();
    await cluster.untilSeats(3);
  }, 60_000);

  it('leaves no slot without an owner when one is asked to stop', async () => {
    const before = await cluster.roster();
    const [leaving] = before.seats;

    const code = await cluster.node(leaving?.nodeId ?? '').terminate();
    const after = await cluster.roster();

    expect(code).toBe(0);
    expect(after.seats.map(({ nodeId }) => nodeId)).not.toContain(leaving?.nodeId);
    expect(ownersOf(after)).not.toContain(undefined);
  }, 60_000);
});
