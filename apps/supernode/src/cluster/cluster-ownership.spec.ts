import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { tenantIdSchema, userIdSchema } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { ClusterOwnership } from './cluster-ownership.ts';
import type { NodeView, Standing } from './core/cluster-io.ts';
import type { OwnershipChange } from './ownership.port.ts';
import { slotOf } from './slot.ts';
import { seenNode } from './testing/seen-node.ts';
import { rosterOf } from './testing/roster-store.contract.ts';

const TENANT = tenantIdSchema.parse('default');
const USER = userIdSchema.parse('user-one');
const SLOT = slotOf(TENANT, USER);

function setUp() {
  const time = new ManualTime();
  const view = {
    roster: rosterOf(4, 'node-a', 'node-b', 'node-c', 'node-d'),
    endsAt: 2_000,
    looked: 0,
    nodes: [] as readonly NodeView[],
    standing: (now: number): Standing => (now < view.endsAt ? view.before : 'suspended'),
    before: 'acting' as Standing,
    gainedEpoch: (slot: number) => (slot === SLOT ? 4 : undefined),
    homes: () => {
      view.looked += 1;
      return view.roster.seats.toReversed();
    },
  };
  const ownership = new ClusterOwnership('node-a', view, time, new BackgroundTasks());
  return { time, view, ownership };
}

beforeAll(() => {
  Logger.overrideLogger(false);
});
afterAll(() => {
  Logger.overrideLogger(['error']);
});

describe('ClusterOwnership', () => {
  it('names all that are alive: those with a seat, and who has a lease without one', () => {
    const { view, ownership } = setUp();
    view.nodes = ['node-b', 'node-x'].map((nodeId) => seenNode(nodeId));
    expect(ownership.aliveNodes()).toEqual(['node-a', 'node-b', 'node-c', 'node-d', 'node-x']);
  });

  it('asks the clock at every call, so that a pause ends a tenure before any timer', () => {
    const { time, ownership } = setUp();
    expect(ownership.tenureOf(TENANT, USER)).toEqual({ slot: SLOT, epoch: 4 });
    expect(ownership.tenureOfSlot(SLOT + 1)).toBeUndefined();

    // What a process finds that was stopped: another time, and no timer that ran.
    time.monotonic = () => 15_000;

    expect(ownership.tenureOf(TENANT, USER)).toBeUndefined();
  });

  it('goes on for who is connected while a store is away', () => {
    const { view, ownership } = setUp();
    view.before = 'connected-only';

    expect(ownership.tenureOf(TENANT, USER)).toEqual({ slot: SLOT, epoch: 4 });
  });

  it('knows who the home is whether or not it may act', () => {
    const { time, view, ownership } = setUp();
    const owner = view.roster.seats[SLOT % 4]?.nodeId;
    time.monotonic = () => 15_000;

    expect(ownership.ownerOf(TENANT, USER)).toBe(owner);
    expect(ownership.activeNodes()).toEqual(['node-a', 'node-b', 'node-c', 'node-d']);
  });

  it('is held back while its seat weighs less than a whole one, and without a seat', () => {
    const { view, ownership } = setUp();
    const { roster } = view;
    const weighing = (weight: number): boolean => {
      view.roster = { ...roster, seats: roster.seats.map((seat) => ({ ...seat, weight })) };
      return ownership.isHeldBack;
    };
    expect([weighing(0.1), weighing(0.9), weighing(1)]).toEqual([true, true, false]);

    view.roster = { ...roster, seats: roster.seats.filter(({ nodeId }) => nodeId !== 'node-a') };
    expect(ownership.isHeldBack).toBe(true);
  });

  it('names three homes at most, and ranks them once for each roster', () => {
    const { view, ownership } = setUp();
    const urls = ['http://192.0.2.4:8080', 'http://192.0.2.3:8080', 'http://192.0.2.2:8080'];

    expect(ownership.homesOf(TENANT, USER)).toEqual(urls);
    expect(ownership.homesOf(TENANT, USER)).toEqual(urls);
    expect(view.looked).toBe(1);

    view.roster = rosterOf(5, 'node-a', 'node-b');
    expect(ownership.homesOf(TENANT, USER)).toEqual(urls.slice(2).concat('http://192.0.2.1:8080'));
  });

  it('offers relays at others, also where they have no seat, and looks at them once in a second', () => {
    const { time, view, ownership } = setUp();
    view.nodes = [
      seenNode('node-a', { region: 'west' }),
      seenNode('node-b', { region: 'east' }),
      seenNode('node-r', { region: 'west', roles: ['relay'] }),
    ];

    expect(ownership.otherRelaysOf(TENANT, USER)).toEqual(['node-r:3478', 'node-b:3478']);
    expect(ownership.relayAddresses()).toEqual(['node-a:3478', 'node-b:3478', 'node-r:3478']);
    view.nodes = view.nodes.slice(0, 2);
    expect(ownership.otherRelaysOf(TENANT, USER)).toContain('node-r:3478');
    time.monotonic = () => 1_500;
    expect(ownership.otherRelaysOf(TENANT, USER)).toEqual(['node-b:3478']);
  });

  it('goes on telling the others when a listener fails, and stops when asked', () => {
    const { ownership } = setUp();
    const change: OwnershipChange = { gained: new Set([1]), lost: new Set([2]) };
    const heard: [string, OwnershipChange][] = [];
    ownership.onChange(() => {
      throw new TypeError('of no use');
    });
    ownership.onChange((news) => heard.push(['always', news]));
    const end = ownership.onChange((news) => heard.push(['at first', news]));

    ownership.changed(change);
    end();
    ownership.changed(change);

    expect(heard).toEqual([
      ['always', change],
      ['at first', change],
      ['always', change],
    ]);
  });
});
