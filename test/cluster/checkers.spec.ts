import { describe, expect, it } from '@jest/globals';
import {
  divergedViews,
  duplicateMessages,
  lostMessages,
  lostRecords,
  ownershipConflicts,
  presenceFlaps,
  servedByOthers,
  type Violations,
} from './checkers.ts';
import type { HistoryEvent } from './history.ts';
import { SLOT_COUNT, slotOf, type ObservedRoster, type ObservedSeat } from './observed-roster.ts';

const ALICE = 'u.alice';

const seat = (nodeId: string, incarnation = 1): ObservedSeat => ({
  ...{ nodeId, incarnation, weight: 1 },
  addresses: { edge: `http://${nodeId}` },
});

/** All slots belong to the first seat since the given epoch. */
const roster = (epoch: number, seats: readonly ObservedSeat[], since = epoch): ObservedRoster => ({
  ...{ epoch, coordinator: 'n1', seats },
  owners: Array.from({ length: SLOT_COUNT }, () => 0),
  slotEpochs: Array.from({ length: SLOT_COUNT }, () => since),
});

const withSlot = (base: ObservedRoster, slot: number, owner: number, epoch: number): ObservedRoster => ({
  ...base,
  owners: base.owners.with(slot, owner),
  slotEpochs: base.slotEpochs.with(slot, epoch),
});

const rosters = (...list: readonly ObservedRoster[]): HistoryEvent[] =>
  list.map((one, at) => ({ kind: 'roster', roster: one, at: at * 1_000 }));

describe('checkers', () => {
  it('know the slots of users as the supernodes do', () => {
    expect(slotOf('default', ALICE)).toBe(slotOf('default', ALICE));
    expect(slotOf('default', ALICE)).not.toBe(slotOf('other', ALICE));
  });

  const stored: HistoryEvent = { kind: 'stored', messageId: 'm1', to: 'bob', at: 0 };
  const shown: HistoryEvent = { kind: 'shown', messageId: 'm1', userId: 'bob', deviceId: 'd1', at: 1 };

  it('find a message that was acknowledged and lost', () => {
    expect(lostMessages([stored, shown])).toEqual([]);
    expect(lostMessages([stored, { ...shown, userId: 'carol' }])).toHaveLength(1);
    expect(lostMessages([stored])).toHaveLength(1);
  });

  it('find what was acknowledged as kept and is not read, or as it was before', () => {
    const record = (kind: 'kept' | 'read', value: string, at: number): HistoryEvent => ({
      ...{ kind, userId: ALICE, what: 'contact bob' },
      ...{ value, at },
    });
    const kept = [record('kept', 'accepted', 1), record('kept', 'blocked', 2)];

    expect(lostRecords([...kept, record('read', 'blocked', 3)])).toEqual([]);
    expect(lostRecords([...kept, record('read', 'accepted', 3)])).toHaveLength(1);
    expect(lostRecords(kept)).toHaveLength(1);
  });

  it('find a message that came twice to one device, and allow one for each device', () => {
    expect(duplicateMessages([shown, { ...shown, deviceId: 'd2' }])).toEqual([]);
    expect(duplicateMessages([shown, shown])).toHaveLength(1);
  });

  it.each<[string, HistoryEvent[], number]>([
    [
      'a slot that moves in a new epoch',
      rosters(roster(1, [seat('a'), seat('b')]), withSlot(roster(2, [seat('a'), seat('b')], 1), 7, 1, 2)),
      0,
    ],
    [
      'two owners in one epoch of a slot',
      rosters(roster(1, [seat('a'), seat('b')]), withSlot(roster(2, [seat('a'), seat('b')], 1), 7, 1, 1)),
      1,
    ],
    [
      'the next run of an owner in the epoch of the one before',
      rosters(roster(1, [seat('a', 1)]), roster(2, [seat('a', 2)], 1)),
      SLOT_COUNT,
    ],
    ['two rosters of one epoch', rosters(roster(1, [seat('a')]), roster(1, [seat('b')])), SLOT_COUNT + 1],
    ['an older roster after a newer one', rosters(roster(2, [seat('a')], 1), roster(1, [seat('a')])), 1],
    [
      'an epoch of a slot that falls',
      rosters(roster(2, [seat('a')]), withSlot(roster(3, [seat('a')], 2), 7, 0, 1)),
      1,
    ],
    ['a slot that belongs to nobody', rosters(withSlot(roster(1, [seat('a')]), 7, 3, 1)), 1],
  ])('judge %s', (_title, events, count) => {
    expect(ownershipConflicts(events)).toHaveLength(count);
  });

  it('find who serves a user after its time', () => {
    const history = rosters(roster(1, [seat('a')]), roster(2, [seat('b')]));
    const served = (nodeId: string, at: number): Violations =>
      servedByOthers([...history, { kind: 'served', userId: ALICE, nodeId, at }], 4_000);

    expect(served('a', 500)).toEqual([]);
    expect(served('a', 4_900)).toEqual([]);
    expect(served('b', 4_900)).toEqual([]);
    expect(served('a', 5_100)).toHaveLength(1);
    expect(served('b', 100)).toHaveLength(1);
    expect(served('c', 500)).toHaveLength(1);
  });

  const view = (state: string, at: number): HistoryEvent => ({
    ...{ kind: 'view', watcher: 'bob', userId: ALICE },
    ...{ state, at },
  });

  it('find a view that did not converge in time, or left the truth again', () => {
    const expected = new Map([[ALICE, 'online']]);
    expect(divergedViews([view('offline', 1), view('online', 9)], expected, 10)).toEqual([]);
    expect(divergedViews([view('offline', 1), view('online', 11)], expected, 10)).toHaveLength(1);
    expect(divergedViews([view('online', 1), view('offline', 11)], expected, 10)).toHaveLength(1);
  });

  it('find a flap of somebody who was there', () => {
    const users = new Set([ALICE]);
    expect(presenceFlaps([view('offline', 1), view('online', 6)], users, 5)).toEqual([]);
    expect(presenceFlaps([view('online', 1), view('offline', 6)], users, 5)).toHaveLength(1);
  });
});
