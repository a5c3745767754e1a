import { describe, expect, it } from '@jest/globals';
import type { Instant } from '@parley/nat';
import { EMPTY_ROSTER, type Roster, type Seat } from '../roster.ts';
import { Handover } from './handover.ts';

const at = (ms: number) => ms as Instant;
const ME = { nodeId: 'me', incarnation: 1 };

function seat(nodeId: string, incarnation = 1): Seat {
  return { nodeId, incarnation, region: 'main', weight: 1, addresses: { edge: '', stun: null } };
}

/** One slot for each entry: who owns it, and since which epoch. */
function roster(epoch: number, slots: readonly (readonly [string, number])[]): Roster {
  const ids = [...new Set(slots.map(([nodeId]) => nodeId))];
  return {
    ...EMPTY_ROSTER,
    epoch,
    seats: ids.map((nodeId) => seat(nodeId)),
    owners: slots.map(([nodeId]) => ids.indexOf(nodeId)),
    slotEpochs: slots.map(([, slotEpoch]) => slotEpoch),
  };
}

function handover(): Handover {
  return new Handover(ME, { handoverMs: 3_000 });
}

const FIRST = roster(1, [
  ['other', 1],
  ['other', 1],
]);
const SECOND = roster(2, [
  ['me', 2],
  ['other', 1],
]);

describe('taking over slots', () => {
  it('waits for nobody where nobody owned them', () => {
    const slots = handover();
    slots.adopt(EMPTY_ROSTER, roster(1, [['me', 1]]), at(0));

    expect(slots.take(at(0))).toEqual({ gained: new Map([[0, 1]]), lost: new Set() });
    expect(slots.take(at(1))).toEqual({ gained: new Map(), lost: new Set() });
  });

  it('waits until the former owner says that it follows the roster', () => {
    const slots = handover();
    slots.adopt(EMPTY_ROSTER, FIRST, at(0));
    slots.adopt(FIRST, SECOND, at(10));
    slots.confirmed('other', 1, 1);
    expect(slots.take(at(20)).gained.size).toBe(0);
    expect(slots.waitsFor(0)).toEqual(['other']);

    slots.confirmed('other', 1, 2);

    expect(slots.take(at(30)).gained).toEqual(new Map([[0, 2]]));
    expect(slots.waitsFor(0)).toEqual([]);
  });

  it('takes no word of another run of the former owner', () => {
    const slots = handover();
    slots.adopt(EMPTY_ROSTER, FIRST, at(0));
    slots.adopt(FIRST, SECOND, at(10));

    slots.confirmed('other', 2, 5);

    expect(slots.take(at(20)).gained.size).toBe(0);
  });

  it('waits no longer than the former owner may act, counted from when this one has published the roster', () => {
    const slots = handover();
    slots.adopt(EMPTY_ROSTER, FIRST, at(0));
    slots.adopt(FIRST, SECOND, at(10));
    expect(slots.nextAt()).toBeUndefined();
    expect(slots.take(at(60_000)).gained.size).toBe(0);

    slots.published(1, at(60_000));
    expect(slots.nextAt()).toBeUndefined();
    slots.published(2, at(60_500));
    slots.published(2, at(61_500));

    expect(slots.nextAt()).toBe(63_500);
    expect(slots.take(at(63_499)).gained.size).toBe(0);
    expect(slots.take(at(63_500)).gained.size).toBe(1);
  });

  it('waits for a former owner of a roster before, whatever the one in between says', () => {
    const slots = handover();
    const third = roster(3, [
      ['me', 3],
      ['me', 3],
    ]);
    const second = roster(2, [
      ['between', 2],
      ['other', 1],
    ]);
    slots.adopt(EMPTY_ROSTER, FIRST, at(0));
    slots.adopt(FIRST, second, at(10));
    slots.adopt(second, third, at(20));

    slots.confirmed('between', 1, 3);
    expect(slots.take(at(30)).gained.size).toBe(0);
    expect(slots.waitsFor(0)).toEqual(['other']);

    slots.confirmed('other', 1, 2);
    expect(slots.take(at(40)).gained).toEqual(new Map([[0, 3]]));
    slots.confirmed('other', 1, 3);
    expect(slots.take(at(50)).gained).toEqual(new Map([[1, 3]]));
  });

  it('waits out the time where it has not seen the rosters in between', () => {
    const slots = handover();
    slots.adopt(EMPTY_ROSTER, FIRST, at(0));
    slots.adopt(
      FIRST,
      roster(5, [
        ['me', 5],
        ['me', 2],
      ]),
      at(10),
    );
    slots.confirmed('other', 1, 5);

    // The second slot came with the very next roster: nobody else can have owned it.
    expect(slots.take(at(20)).gained).toEqual(new Map([[1, 2]]));
    expect(slots.waitsFor(0)).toEqual(['']);
    slots.published(5, at(100));
    expect(slots.take(at(3_100)).gained).toEqual(new Map([[0, 5]]));
  });

  it('loses at once what the roster takes away, and what came back under a later epoch', () => {
    const slots = handover();
    slots.adopt(EMPTY_ROSTER, roster(1, [['me', 1]]), at(0));
    slots.take(at(0));

    slots.adopt(roster(1, [['me', 1]]), roster(3, [['me', 3]]), at(10));

    expect(slots.take(at(10))).toEqual({ gained: new Map(), lost: new Set([0]) });
    expect(slots.isWaiting).toBe(true);
  });

  it('keeps slots without a break while other things in the roster change', () => {
    const slots = handover();
    const before = roster(1, [['me', 1]]);
    slots.adopt(EMPTY_ROSTER, before, at(0));
    slots.take(at(0));

    slots.adopt(before, { ...before, epoch: 9 }, at(10));

    expect(slots.take(at(10))).toEqual({ gained: new Map(), lost: new Set() });
    expect(slots.gainedSlots).toEqual(new Map([[0, 1]]));
  });
});
