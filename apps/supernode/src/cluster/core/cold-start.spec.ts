import { describe, expect, it } from '@jest/globals';
import type { Instant } from '@parley/nat';
import type { NodeRecord } from '../node-record.ts';
import { seatOf, type Roster } from '../roster.ts';
import { DEFAULT_CLUSTER_SETTINGS } from './cluster-settings.ts';
import { coldStartOf } from './cold-start.ts';
import { ElectionMemory } from './election-memory.ts';
import { plan } from './plan.ts';
import { assessed, memberOf, NO_CONTROLS, recordOf } from './testing/assessed-nodes.ts';
import { ClusterSimulation } from './testing/cluster-simulation.ts';

const SETTINGS = { ...DEFAULT_CLUSTER_SETTINGS, slotCount: 6 };
const { coldStartMs } = SETTINGS;

/** Of runs 1 of A, B and C, two slots each. */
const ROSTER: Roster = {
  epoch: 7,
  coordinator: 'A',
  writtenAt: 0,
  seats: ['A', 'B', 'C'].map((nodeId) => ({
    nodeId,
    incarnation: 1,
    region: 'main',
    addresses: { edge: `http://${nodeId}`, stun: null },
    weight: nodeId === 'C' ? 0.4 : 1,
  })),
  owners: [0, 1, 2, 0, 1, 2],
  slotEpochs: [3, 4, 5, 3, 4, 5],
};

function anew(nodeId: string, others: Partial<NodeRecord> = {}): NodeRecord {
  return recordOf(nodeId, { incarnation: 2, uptimeMs: 500, ...others });
}

function planned(records: readonly NodeRecord[], roster = ROSTER) {
  const assessment = assessed(
    records.map((record) => memberOf(record)),
    roster,
    { settings: SETTINGS },
  );
  const coldStart = coldStartOf(assessment, roster, SETTINGS);
  const made = plan({
    ...{ roster, assessment, coldStart, settings: SETTINGS, controls: NO_CONTROLS },
    ...{ memory: new ElectionMemory(), coordinator: 'A', now: 0 as Instant },
  });
  return { coldStart, ...made };
}

const ownersOf = (roster: Roster) => roster.owners.map((_, slot) => seatOf(roster, slot)?.nodeId);

describe('a start of all supernodes', () => {
  it('gives who returns its seat, weight and slots back in a new epoch, and lets the others keep theirs', () => {
    const { roster, decisions } = planned([anew('C', { addresses: { edge: 'http://moved', stun: null } })]);

    expect(ownersOf(roster!)).toEqual(ownersOf(ROSTER));
    expect(roster!.seats.map(({ nodeId, incarnation, weight }) => [nodeId, incarnation, weight])).toEqual([
      ['A', 1, 1],
      ['B', 1, 1],
      ['C', 2, 0.4],
    ]);
    expect(roster!.seats[2]!.addresses.edge).toBe('http://moved');
    expect(roster!.slotEpochs).toEqual([3, 4, 8, 3, 4, 8]);
    expect(decisions).toMatchObject([
      { action: 'promote', nodeId: 'C', reason: 'returned', detail: 'awaited: A, B', movedSlots: 2 },
    ]);
  });

  it('promotes and demotes nobody else meanwhile', () => {
    const { coldStart, roster } = planned([anew('D')]);

    expect(coldStart?.awaited.map(({ nodeId }) => nodeId)).toEqual(['A', 'B', 'C']);
    expect(roster).toBeUndefined();
  });

  it.each<[string, Partial<NodeRecord>]>([
    ['has no database', { databaseReachable: false }],
    ['serves no users any more', { roles: ['relay'] }],
    ['is leaving', { state: 'draining' }],
  ])('gives nothing back to one that %s', (_title, others) => {
    expect(planned([anew('B', others)]).roster).toBeUndefined();
  });

  it('is over when the first one has run for long enough: what is still missing is replaced', () => {
    const { coldStart, roster } = planned([anew('A', { uptimeMs: coldStartMs }), anew('D')]);

    expect(coldStart).toBeUndefined();
    expect(new Set(ownersOf(roster!))).toEqual(new Set(['A', 'D']));
  });

  it('is none where one supernode went on: what the others lost is replaced at once', () => {
    const { coldStart, roster } = planned([recordOf('A', { reached: ['D'] }), anew('D'), anew('B')]);

    expect(coldStart).toBeUndefined();
    expect(new Set(ownersOf(roster!))).toEqual(new Set(['A', 'D']));
  });

  it('is one also where a supernode that only relays went on', () => {
    const { roster } = planned([recordOf('R', { roles: ['relay'], reached: ['A'] }), anew('A')]);

    expect(ownersOf(roster!)).toEqual(ownersOf(ROSTER));
  });

  it('is none where nobody is awaited, and none where there was no roster', () => {
    const back: Roster = {
      ...ROSTER,
      seats: ROSTER.seats.map((seat) => ({ ...seat, incarnation: 2 })),
    };

    expect(planned([anew('A'), anew('B'), anew('C')], back).coldStart).toBeUndefined();
    expect(
      planned([anew('A')], { ...ROSTER, seats: [], owners: [], slotEpochs: [] }).coldStart,
    ).toBeUndefined();
  });
});

describe('a late starter', () => {
  const others = ROSTER.seats.slice(0, 2);
  const roster: Roster = { ...ROSTER, seats: others, owners: [0, 1, 0, 0, 1, 1] };
  const run = (connections: number) => {
    const load = { ...recordOf('A').load, connections };
    const running = { incarnation: 1, uptimeMs: 500 + coldStartMs, load, reached: ['C'] };
    return planned([recordOf('A', running), recordOf('B', running), anew('C')], roster).roster!;
  };

  it('takes load gradually from fresh supernodes that have the clients of all', () => {
    expect(run(0.4).seats[2]!.weight).toBe(SETTINGS.slowStartWeight);
  });

  it('takes its share at once where there are no clients yet', () => {
    expect(run(0).seats[2]!.weight).toBe(1);
  });
});

interface Restart {
  /** Slots whose owner by a stored roster became another supernode than before the restart. */
  readonly moved: number;
  /** Slots that a supernode had after the restart and lost again. */
  readonly lostAgain: number;
  readonly servedMs: number;
}

/** All are killed at any moment, and started within `spanMs` after they were down for `downMs`. */
function restartOfAll(seed: number, coldStart: number, [downMs, spanMs]: readonly [number, number]): Restart {
  const simulation = new ClusterSimulation({
    ...{ seed, nodes: 3 + (seed % 3), loss: 0 },
    settings: { coldStartMs: coldStart },
  });
  const { clock, random, database, ids, settings } = simulation;
  for (const nodeId of ids) simulation.start(nodeId);
  clock.advance(25_000 + random.nextInteger(0, 2_000));
  const before = ownersOf(database.roster);
  const slots = [...before.keys()];
  const moved = new Set<number>();
  const had = new Set<string>();
  const lost = new Set<string>();
  const look = (): void => {
    ownersOf(database.roster).forEach((owner, slot) => {
      if (owner !== before[slot]) moved.add(slot);
    });
    const rights = new Set(
      simulation.alive.flatMap((node) =>
        slots.flatMap((slot) => (node.core.gainedEpoch(slot) === undefined ? [] : [`${node.name} ${slot}`])),
      ),
    );
    for (const right of had) if (!rights.has(right)) lost.add(right);
    for (const right of rights) had.add(right);
  };
  for (const nodeId of ids) simulation.kill(nodeId);
  for (const nodeId of ids)
    clock.schedule(downMs + random.nextInteger(0, spanMs), () => simulation.start(nodeId));
  const from = clock.now;
  let servedMs = Number.POSITIVE_INFINITY;
  while (clock.now - from < 30_000) {
    clock.advance(50);
    look();
    if (servedMs === Number.POSITIVE_INFINITY && simulation.problem === undefined)
      servedMs = clock.now - from;
  }
  expect(before).toHaveLength(settings.slotCount);
  return { moved: moved.size, lostAgain: lost.size, servedMs };
}

describe('a start of all supernodes, in a simulation', () => {
  const seeds = Array.from({ length: 25 }, (_, index) => index + 1);

  it.each<readonly [downMs: number, spanMs: number]>([
    [3_000, 3_000],
    // The leases of the former runs have not ended yet.
    [0, 1_500],
  ])('after %d ms and within %d ms moves no slot, and nobody loses again what it got', (...times) => {
    const restarts = seeds.map((seed) => restartOfAll(seed, coldStartMs, times));

    expect(restarts.filter(({ moved, lostAgain }) => moved + lostAgain > 0)).toEqual([]);
    // Back after six seconds at most; then it takes the handover from runs of which nobody can say that they are dead.
    expect(Math.max(...restarts.map(({ servedMs }) => servedMs))).toBeLessThan(12_000);
  });

  it('would move slots back and forth without the time for others to return', () => {
    const restarts = seeds.map((seed) => restartOfAll(seed, 0, [3_000, 3_000]));

    expect(restarts.filter(({ lostAgain }) => lostAgain > 0).length).toBeGreaterThan(8);
  });
});
