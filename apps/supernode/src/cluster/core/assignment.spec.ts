import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assignSlots, ranking, shareOf, type WeightedSeat } from './assignment.ts';

const SLOTS = 4096;
const BOUND = 1.25;
/** As telling for a property, and faster. */
const FEW_SLOTS = 256;

function assign(
  seats: readonly WeightedSeat[],
  previous: { readonly seats: readonly WeightedSeat[]; readonly owners: readonly number[] } = {
    seats: [],
    owners: [],
  },
  slotCount = SLOTS,
): number[] {
  return assignSlots({
    slotCount,
    boundedLoad: BOUND,
    seats,
    previousOwner: (slot) => previous.seats[previous.owners[slot] ?? -1]?.nodeId,
    previousWeights: new Map(previous.seats.map((seat) => [seat.nodeId, seat.weight])),
  });
}

function countOf(owners: readonly number[], seat: number): number {
  return owners.reduce((count, owner) => count + (owner === seat ? 1 : 0), 0);
}

const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 12 });
const weight = fc.constantFrom(0.1, 0.2, 0.4, 0.7, 1);
const seatsWithWeights = names.chain((ids) =>
  fc.tuple(...ids.map((nodeId) => weight.map((value) => ({ nodeId, weight: value })))),
);
const equalSeats = names.map((ids) => ids.map((nodeId) => ({ nodeId, weight: 1 })));

/** Any history: seats come, go and change their weight. */
const history = fc
  .tuple(
    names,
    fc.array(fc.array(fc.constantFrom(0, 0.1, 0.5, 1), { minLength: 12, maxLength: 12 }), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map(([ids, steps]) =>
    steps
      .map((weights) =>
        ids.flatMap((nodeId, index) => {
          const value = weights[index] ?? 1;
          return value > 0 ? [{ nodeId, weight: value }] : [];
        }),
      )
      .filter((seats) => seats.length > 0),
  );

interface Assigned {
  readonly seats: readonly WeightedSeat[];
  readonly owners: readonly number[];
}
type Assign = (seats: readonly WeightedSeat[], previous: Assigned) => number[];

const NOTHING: Assigned = { seats: [], owners: [] };
const incremental: Assign = (seats, previous) => assign(seats, previous, FEW_SLOTS);

/** Seats above 1.25 times their share by weight, rounded up, after any step of a history. */
function overfullSeats(steps: readonly (readonly WeightedSeat[])[], assignNext: Assign): WeightedSeat[] {
  let previous = NOTHING;
  return steps.flatMap((seats) => {
    const owners = assignNext(seats, previous);
    expect(owners.every((owner) => owner >= 0 && owner < seats.length)).toBe(true);
    previous = { seats, owners };
    const total = seats.reduce((sum, other) => sum + other.weight, 0);
    return seats.filter((seat, index) => {
      const limit = Math.ceil(Number(((BOUND * FEW_SLOTS * seat.weight) / total).toFixed(9)));
      return countOf(owners, index) > limit;
    });
  });
}

/** Slots of other seats that move when one is lost after a history. */
function movedBesides(
  steps: readonly (readonly WeightedSeat[])[],
  pick: number,
  assignNext: Assign,
): number[] {
  let previous = NOTHING;
  for (const seats of steps) previous = { seats, owners: assignNext(seats, previous) };
  if (previous.seats.length < 2) return [];
  const lost = pick % previous.seats.length;
  const rest = previous.seats.filter((_, index) => index !== lost);
  return assignNext(rest, previous).filter((owner, slot) => {
    const before = previous.owners[slot]!;
    return before !== lost && rest[owner] !== previous.seats[before];
  });
}

describe('the assignment of slots', () => {
  it('gives nobody more than 1.25 times its share by weight, rounded up, whatever happened before', () => {
    fc.assert(
      fc.property(history, (steps) => {
        expect(overfullSeats(steps, incremental)).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it('would, without a bound: the property notices', () => {
    const unbounded: Assign = (seats) =>
      Array.from({ length: FEW_SLOTS }, (_, slot) => ranking(seats, slot)[0]!);

    const result = fc.check(
      fc.property(history, (steps) => overfullSeats(steps, unbounded).length === 0),
      { numRuns: 500, seed: 7, endOnFailure: true },
    );

    expect(result.failed).toBe(true);
  });

  it('moves only the slots of a seat that is lost', () => {
    fc.assert(
      fc.property(history, fc.nat(), (steps, pick) => {
        expect(movedBesides(steps, pick, incremental)).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it('would move those of others, were it made anew at each loss: the property notices', () => {
    const anew: Assign = (seats) => assign(seats, undefined, FEW_SLOTS);

    const result = fc.check(
      fc.property(history, fc.nat(), (steps, pick) => movedBesides(steps, pick, anew).length === 0),
      { numRuns: 500, seed: 7, endOnFailure: true },
    );

    expect(result.failed).toBe(true);
  });

  it('moves slots to a seat that comes, and else only from those above their new limit', () => {
    fc.assert(
      fc.property(seatsWithWeights, weight, (seats, joinerWeight) => {
        const previous = { seats, owners: assign(seats, undefined, FEW_SLOTS) };
        const next = [...seats, { nodeId: 'the joiner', weight: joinerWeight }];

        const owners = assign(next, previous, FEW_SLOTS);

        const disturbed = seats.filter((seat, index) => {
          const { limit } = shareOf(next, seat.weight, FEW_SLOTS, BOUND);
          const excess = Math.max(0, countOf(previous.owners, index) - limit);
          const toOthers = owners.filter(
            (owner, slot) => previous.owners[slot] === index && owner !== index && owner !== seats.length,
          );
          return toOthers.length > excess;
        });
        expect(disturbed).toEqual([]);
        const { share } = shareOf(next, joinerWeight, FEW_SLOTS, BOUND);
        expect(countOf(owners, seats.length)).toBeLessThanOrEqual(Math.ceil(BOUND * share));
      }),
      { numRuns: 100 },
    );
  });

  it('is the same on every supernode, and changes nothing when nothing changed', () => {
    fc.assert(
      fc.property(equalSeats, (seats) => {
        const owners = assign(seats, undefined, 256);

        expect(assign(seats, { seats, owners }, 256)).toEqual(owners);
        expect(assign(seats, undefined, 256)).toEqual(owners);
      }),
      { numRuns: 50 },
    );
  });

  it('spreads slots by weight', () => {
    const seats = [
      { nodeId: 'a', weight: 1 },
      { nodeId: 'b', weight: 1 },
      { nodeId: 'c', weight: 0.1 },
    ];

    const owners = assign(seats);

    expect(countOf(owners, 0)).toBeGreaterThan(1700);
    expect(countOf(owners, 1)).toBeGreaterThan(1700);
    expect(countOf(owners, 2)).toBeGreaterThan(140);
    expect(countOf(owners, 2)).toBeLessThan(250);
  });

  it('draws slots to a weight that grows, step by step, and to nobody else', () => {
    let previous = {
      seats: ['a', 'b', 'c'].map((nodeId) => ({ nodeId, weight: 1 })),
      owners: [] as readonly number[],
    };
    previous = { ...previous, owners: assign(previous.seats) };
    let moved = 0;
    for (const weightNow of [0.1, 0.4, 0.7, 1]) {
      const seats = [...previous.seats.slice(0, 3), { nodeId: 'd', weight: weightNow }];
      const owners = assign(seats, previous);
      const movedTo = owners.filter((owner, slot) => owner !== previous.owners[slot]);
      expect(movedTo.filter((owner) => owner !== 3)).toEqual([]);
      moved += movedTo.length;
      previous = { seats, owners };
    }
    expect(countOf(previous.owners, 3)).toBe(moved);
    expect(moved).toBeGreaterThan(SLOTS / 4 / BOUND);
    expect(moved).toBeLessThanOrEqual(SLOTS / 4);
  });

  it('ranks the seats of a slot: removal of one leaves the order of the others', () => {
    fc.assert(
      fc.property(seatsWithWeights, fc.nat({ max: SLOTS - 1 }), (seats, slot) => {
        const order = ranking(seats, slot).map((index) => seats[index]!.nodeId);
        const without = seats.slice(1);
        const rest = ranking(without, slot).map((index) => without[index]!.nodeId);

        expect(rest).toEqual(order.filter((nodeId) => nodeId !== seats[0]?.nodeId));
      }),
    );
  });
});
