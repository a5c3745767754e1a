import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Cluster } from './cluster.ts';
import { describeCluster } from './describe-cluster.ts';
import { expectNothingBroken } from './failures.ts';
import { People } from './people.ts';

describeCluster('a supernode on standby', () => {
  let cluster: Cluster;
  let people: People;

  beforeAll(async () => {
    cluster = await Cluster.start({
      supernodes: 3,
      env: { SUPERNODE_MINIMUM_SEATS: '2', SUPERNODE_MAXIMUM_SEATS: '2' },
    });
    await cluster.untilSeats(2);
    people = new People(cluster);
  }, 120_000);

  afterAll(async () => {
    await people.clear();
    await cluster.close();
  }, 60_000);

  it('sends clients to their homes', async () => {
    const { seats } = await cluster.roster();
    const standby = cluster.nodes.find(({ nodeId }) => !seats.some((seat) => seat.nodeId === nodeId));
    const person = await people.join('alice', { url: standby?.url ?? '' });

    expect(people.homeOf(person)).not.toBe(standby?.nodeId);
    expect(seats.map(({ nodeId }) => nodeId)).toContain(people.homeOf(person));
  }, 60_000);

  it('takes the seat of one that is killed', async () => {
    const before = await cluster.roster();
    const [lost] = before.seats;
    const standby = cluster.nodes.find(({ nodeId }) => !before.seats.some((seat) => seat.nodeId === nodeId));
    await cluster.node(lost?.nodeId ?? '').kill();
    const after = await cluster.untilRoster(
      'a roster with the one that stood by',
      ({ seats }) => seats.length === 2 && seats.some(({ nodeId }) => nodeId === standby?.nodeId),
    );

    expect(after.seats.map(({ nodeId }) => nodeId)).not.toContain(lost?.nodeId);
    await expectNothingBroken(people);
  }, 60_000);
});
