import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { tenantIdSchema, userIdSchema } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { ClusterOwnership } from './cluster-ownership.ts';
import type { OwnershipChange } from './ownership.port.ts';
import type { Roster } from './roster.ts';
import { SLOT_COUNT, slotOf } from './slot.ts';
import { rosterOf } from './testing/roster-store.contract.ts';

const TENANT = tenantIdSchema.parse('default');
const USER = userIdSchema.parse('user-one');
const SLOT = slotOf(TENANT, USER);

/** A roster of three in which `owner` has every slot since `since`. */
function ownedBy(epoch: number, owner: 0 | 1 | 2, since = epoch): Roster {
  return {
    ...rosterOf(epoch, 'node-a', 'node-b', 'node-c'),
    owners: Array<number>(SLOT_COUNT).fill(owner),
    slotEpochs: Array<number>(SLOT_COUNT).fill(since),
  };
}

function setUp(incarnation = 1) {
  const time = new ManualTime();
  const ownership = new ClusterOwnership(
    { nodeId: 'node-a', incarnation },
    (_slot, seats) => seats.toReversed(),
    time,
    new BackgroundTasks(),
  );
  const changes: OwnershipChange[] = [];
  ownership.onChange((change) => changes.push(change));
  return { time, ownership, changes };
}

beforeAll(() => {
  Logger.overrideLogger(false);
});
afterAll(() => {
  Logger.overrideLogger(['error']);
});

describe('ClusterOwnership', () => {
  it('owns nothing before a roster says so, nor before it was allowed to act', async () => {
    const { time, ownership } = setUp();
    expect(ownership.ownerOf(TENANT, USER)).toBeUndefined();
    expect(ownership.homesOf(TENANT, USER)).toEqual([]);

    ownership.adopt(ownedBy(4, 0));
    expect(ownership.ownerOf(TENANT, USER)).toBe('node-a');
    expect(ownership.tenureOf(TENANT, USER)).toBeUndefined();

    ownership.actUntil(time.monotonic() + 2_000);
    expect(ownership.tenureOf(TENANT, USER)).toEqual({ slot: SLOT, epoch: 4 });

    await time.advance(1_999);
    expect(ownership.tenureOf(TENANT, USER)).toBeDefined();
    await time.advance(1);
    expect(ownership.tenureOf(TENANT, USER)).toBeUndefined();
  });

  it('finds its tenure over after a pause before any timer ran', () => {
    const { time, ownership } = setUp();
    ownership.adopt(ownedBy(4, 0));
    ownership.actUntil(time.monotonic() + 2_000);
    const paused = { now: time.now(), monotonic: time.monotonic() };

    jumpTo(time, { ...paused, monotonic: paused.monotonic + 15_000, now: paused.now + 15_000 });
    expect(ownership.tenureOf(TENANT, USER)).toBeUndefined();

    // A suspended machine: the monotonic clock stood still.
    jumpTo(time, { ...paused, now: paused.now + 15_000 });
    expect(ownership.tenureOf(TENANT, USER)).toBeUndefined();

    // A wall clock that was set back takes nothing away.
    jumpTo(time, { ...paused, now: paused.now - 15_000 });
    expect(ownership.tenureOf(TENANT, USER)).toEqual({ slot: SLOT, epoch: 4 });
  });

  it('refuses a lower epoch', () => {
    const { time, ownership } = setUp();
    ownership.actUntil(time.monotonic() + 2_000);

    expect(ownership.adopt(ownedBy(5, 1))).toBe(true);
    expect(ownership.adopt(ownedBy(4, 0))).toBe(false);
    expect(ownership.adopt(ownedBy(5, 0))).toBe(false);

    expect(ownership.ownerOf(TENANT, USER)).toBe('node-b');
    expect(ownership.tenureOf(TENANT, USER)).toBeUndefined();
    expect(ownership.activeNodes()).toEqual(['node-a', 'node-b', 'node-c']);
  });

  it('is not the owner by the seat of an earlier run', () => {
    const { time, ownership } = setUp(2);
    ownership.actUntil(time.monotonic() + 2_000);

    ownership.adopt(ownedBy(5, 0));

    expect(ownership.tenureOf(TENANT, USER)).toBeUndefined();
  });

  it('tells what was gained and lost, once it is so', () => {
    const { time, ownership, changes } = setUp();
    ownership.actUntil(time.monotonic() + 2_000);
    const seen: boolean[] = [];
    ownership.onChange(() => seen.push(ownership.tenureOf(TENANT, USER) !== undefined));

    ownership.adopt(ownedBy(1, 0));
    ownership.adopt(ownedBy(2, 0, 1));
    ownership.adopt(ownedBy(3, 1));

    expect(changes.map(({ gained, lost }) => [gained.size, lost.size])).toEqual([
      [SLOT_COUNT, 0],
      [0, SLOT_COUNT],
    ]);
    expect(seen).toEqual([true, false]);
  });

  it('tells of a slot that was away between two rosters as lost and gained', () => {
    const { ownership, changes } = setUp();
    ownership.adopt(ownedBy(1, 0));

    ownership.adopt(ownedBy(9, 0, 8));

    expect(changes[1]).toEqual({ gained: changes[0]?.gained, lost: changes[0]?.gained });
  });

  it('goes on telling the others when a listener fails, and stops when asked', () => {
    const { ownership, changes } = setUp();
    ownership.onChange(() => {
      throw new TypeError('of no use');
    });
    const later: OwnershipChange[] = [];
    const end = ownership.onChange((change) => later.push(change));

    ownership.adopt(ownedBy(1, 0));
    end();
    ownership.adopt(ownedBy(2, 1));

    expect([changes.length, later.length]).toEqual([2, 1]);
  });

  it('names the home first, then the seats that would follow it, three at most', () => {
    const { ownership } = setUp();
    ownership.adopt({
      ...ownedBy(1, 1),
      seats: rosterOf(1, 'node-a', 'node-b', 'node-c', 'node-d').seats,
    });

    expect(ownership.homesOf(TENANT, USER)).toEqual([
      'http://192.0.2.2:8080',
      'http://192.0.2.4:8080',
      'http://192.0.2.3:8080',
    ]);

    ownership.adopt(ownedBy(2, 0));
    expect(ownership.homesOf(TENANT, USER)[0]).toBe('http://192.0.2.1:8080');
  });
});

/** Sets both clocks without running a timer: what a process finds that was stopped. */
function jumpTo(time: ManualTime, clocks: { now: number; monotonic: number }): void {
  time.now = () => clocks.now;
  time.monotonic = () => clocks.monotonic;
}
