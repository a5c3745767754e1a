import { describe, expect, it } from '@jest/globals';
import type { Instant } from '@parley/nat';
import type { LoadVector, NodeId, NodeRecord } from '../node-record.ts';
import { EMPTY_ROSTER, type Roster } from '../roster.ts';
import { DEFAULT_CLUSTER_SETTINGS } from './cluster-settings.ts';
import { ElectionMemory } from './election-memory.ts';
import type { Member } from './membership-view.ts';
import { plan } from './plan.ts';
import { assessed, NO_CONTROLS, memberOf, mutuallyReached, recordOf } from './testing/assessed-nodes.ts';

function rosterOf(...records: readonly NodeRecord[]): Roster {
  return {
    ...EMPTY_ROSTER,
    epoch: 1,
    seats: records.map(({ nodeId, incarnation, region, addresses }) => ({
      nodeId,
      incarnation,
      region,
      addresses,
      weight: 1,
    })),
  };
}

const gone = { absentSince: -10_000 as Instant };

describe('verification from outside', () => {
  const [a, b, c] = [recordOf('a'), recordOf('b'), recordOf('c')];

  it('admits the unverified only while nobody is active', () => {
    const members = [memberOf(a), memberOf(b)];

    expect(assessed(members, EMPTY_ROSTER).nodes.get('b')?.objections).toEqual([]);
    expect(assessed(members, rosterOf(a)).nodes.get('b')?.objections).toEqual(['unverified']);
  });

  it('takes the word of active supernodes, and of others only about the only active one', () => {
    const vouching = (by: NodeRecord, ...nodes: readonly NodeId[]) => memberOf({ ...by, reached: nodes });
    const members = [vouching(a, 'b'), vouching(b, 'a', 'c'), vouching(c)];
    const { nodes } = assessed(members, rosterOf(a));

    expect([...nodes.values()].map((node) => node.reachability)).toEqual([
      'verified',
      'verified',
      'unverified',
    ]);
  });

  it('has no candidate in whom others can not reach', () => {
    const members = [memberOf({ ...a, unreachable: ['b'] }), memberOf(b)];

    expect(assessed(members, rosterOf(a)).nodes.get('b')).toMatchObject({
      reachability: 'unreachable',
      verdict: 'suspect',
      objections: ['unreachable'],
    });
  });

  it('names everything that speaks against a candidate', () => {
    const relay = recordOf('b', { roles: ['relay'], state: 'draining', databaseReachable: false });
    const controls = { isFrozen: false, pins: { b: 'standby' as const } };

    expect(
      assessed([memberOf(a), memberOf(relay)], rosterOf(a), { controls }).nodes.get('b')?.objections,
    ).toEqual(['no-index-role', 'draining', 'pinned-standby', 'no-database', 'unverified']);
  });
});

describe('loss of a supernode', () => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const records = mutuallyReached(ids.map((id) => recordOf(id)));
  const roster = rosterOf(...records);
  const lossesIn = (assessment: ReturnType<typeof assessed>) =>
    [...assessment.nodes.values()].flatMap((node) => (node.loss ? [node.member.record.nodeId] : []));

  it('takes two readings without a lease, or one and failing probes', () => {
    const members = (absentSince: number) =>
      records.map((record) =>
        memberOf(record, record.nodeId === 'a' ? { absentSince: absentSince as Instant } : {}),
      );
    const silent = { isFailing: (id: NodeId) => id === 'a', answers: () => false };

    expect(lossesIn(assessed(members(-100), roster))).toEqual([]);
    expect(lossesIn(assessed(members(-600), roster))).toEqual(['a']);
    expect(lossesIn(assessed(members(-100), roster, { probes: silent }))).toEqual(['a']);
    expect(lossesIn(assessed(members(-600), roster, { isUnsettled: true }))).toEqual([]);
  });

  it('of more than 30% and at least three at once is not believed of those who answer', () => {
    const absent = (count: number) =>
      records.map((record, index) => memberOf(record, index < count ? gone : {}));

    expect(assessed(absent(2), roster)).toMatchObject({ isMassLeaseLoss: false });
    expect(lossesIn(assessed(absent(2), roster))).toEqual(['a', 'b']);
    const mass = assessed(absent(3), roster);
    expect(mass.isMassLeaseLoss).toBe(true);
    expect(lossesIn(mass)).toEqual([]);
  });

  it('is believed, however many they are, of those who do not answer', () => {
    const members = records.map((record, index) =>
      memberOf({ ...record, reached: record.reached.filter((id) => id > 'e') }, index < 5 ? gone : {}),
    );
    const assessment = assessed(members, roster);

    expect(assessment.isMassLeaseLoss).toBe(false);
    expect(lossesIn(assessment)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('by the word of peers takes most of them, and three at least where there are so many', () => {
    const accused = (votes: number) =>
      records.map((record, index) =>
        memberOf(index > 0 && index <= votes ? { ...record, unreachable: ['a'], reached: [] } : record),
      );

    expect(lossesIn(assessed(accused(3), roster))).toEqual([]);
    const lost = { loss: 'unreachable-for-peers', verdict: 'down' };
    const since = (ms: number) => ({ accusedSince: new Map([['a', -ms as Instant]]) });
    expect(assessed(accused(4), roster, since(2_500)).nodes.get('a')).toMatchObject({ verdict: 'suspect' });
    expect(assessed(accused(4), roster, since(2_600)).nodes.get('a')).toMatchObject(lost);
    expect(assessed(accused(7), roster).nodes.get('a')).toMatchObject(lost);
  });

  it.each<[string, Partial<LoadVector>]>([
    ['the processor', { cpu: 0.9 }],
    ['the event loop', { eventLoopDelayMs: 200 }],
  ])('is not believed of one that renews its lease and has no room left on %s', (_what, busy) => {
    const accused = (absentSince?: Instant) =>
      records.map((record, index) =>
        index > 0
          ? memberOf({ ...record, unreachable: ['a'], reached: [] })
          : memberOf({ ...record, load: { ...record.load, ...busy } }, { absentSince }),
      );

    expect(assessed(accused(), roster).nodes.get('a')).toMatchObject({ verdict: 'suspect', loss: undefined });
    expect(lossesIn(assessed(accused(-600 as Instant), roster))).toEqual(['a']);
  });

  it('is not decided by one peer about the other where there are only two', () => {
    const [a, b] = mutuallyReached([recordOf('a'), recordOf('b')]);
    const members = [memberOf({ ...a!, unreachable: ['b'] }), memberOf(b!)];

    expect(lossesIn(assessed(members, rosterOf(a!, b!)))).toEqual([]);
  });

  it('is a new run of the same supernode, and the wish to leave', () => {
    const members = [
      memberOf({ ...records[0]!, incarnation: 2 }),
      memberOf({ ...records[1]!, state: 'draining' }),
    ];
    const { nodes } = assessed(members, roster);

    expect(nodes.get('a')).toMatchObject({ loss: 'restarted', verdict: 'alive', seat: undefined });
    expect(nodes.get('b')).toMatchObject({ loss: 'draining', verdict: 'alive' });
  });

  it.each<[string, Partial<Member>, Partial<NodeRecord>]>([
    ['the new run has gone as well', gone, {}],
    ['its peers can not reach it', {}, { unreachable: ['a'] }],
  ])(
    'is a new run also where %s: the seat of the former one is free for somebody who is there',
    (_, member, said) => {
      const [first, ...others] = records;
      const members = [
        memberOf({ ...first!, incarnation: 2, uptimeMs: 500 }, member),
        ...others.map((record) => memberOf({ ...record, ...said })),
      ];
      const assessment = assessed(members, roster);
      const a = assessment.nodes.get('a');

      expect(a).toMatchObject({ loss: 'restarted', verdict: 'down', seat: undefined });
      expect(a?.objections).toContain('down');
      const { roster: next, decisions } = plan({
        ...{ roster, assessment, coldStart: undefined, controls: NO_CONTROLS, memory: new ElectionMemory() },
        ...{ settings: DEFAULT_CLUSTER_SETTINGS, coordinator: 'b', now: 0 as Instant },
      });
      expect(next?.seats.map(({ nodeId }) => nodeId)).not.toContain('a');
      expect(decisions).toContainEqual(
        expect.objectContaining({ action: 'demote', nodeId: 'a', reason: 'restarted' }),
      );
    },
  );
});

describe('a seat of a later run than the leases know', () => {
  const [former, other] = mutuallyReached([recordOf('a', { state: 'draining' }), recordOf('b')]);
  const roster = rosterOf(
    recordOf('a', { incarnation: 2, addresses: { edge: 'http://a-anew', stun: null } }),
  );

  it('is kept, and its former run gets no second one: another coordinator has seen the later one', () => {
    const { nodes } = assessed([memberOf(former!), memberOf(other!)], roster);

    expect(nodes.get('a')).toMatchObject({ seat: { incarnation: 2 }, loss: undefined });
    expect(nodes.get('a')?.objections).toContain('down');
  });

  it('counts as somebody who is active, whom the unverified wait for', () => {
    const stranger = memberOf(recordOf('c', { region: 'south' }));

    const { nodes } = assessed([memberOf(former!), memberOf(other!), stranger], roster);

    expect(nodes.get('b')?.objections).toEqual([]);
    expect(nodes.get('c')?.objections).toEqual(['unverified']);
  });

  it('is lost when no run has a lease any more', () => {
    const { nodes } = assessed([memberOf(former!, gone), memberOf(other!)], roster);

    expect(nodes.get('a')).toMatchObject({ seat: { incarnation: 2 }, loss: 'lease-gone', verdict: 'down' });
  });

  it('has the addresses of the later run', () => {
    const assessment = assessed([memberOf(former!), memberOf(other!)], roster);

    const { roster: next } = plan({
      roster,
      assessment,
      controls: NO_CONTROLS,
      memory: new ElectionMemory(),
      settings: DEFAULT_CLUSTER_SETTINGS,
      coordinator: 'b',
      now: 0 as Instant,
    });

    expect(next?.seats.map(({ addresses }) => addresses.edge)).toEqual(['http://a-anew', 'http://b']);
  });
});
