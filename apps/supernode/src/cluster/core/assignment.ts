/**
 * Which seat owns which slot: weighted rendezvous hashing with bounded loads. Each slot ranks the seats by a hash of both and the
 * seat's weight; nobody owns more than `ceil(boundedLoad * share)` slots, where the share follows from the weights.
 *
 * What is assigned stays where it is as far as possible: a lost seat moves only its own slots, and a new or heavier one draws
 * only slots that rank it before their owner (and up to its share). Others move only from who is above its limit.
 */
import type { NodeId } from '../node-record.ts';
import { hash32, type Slot } from '../slot.ts';

export interface WeightedSeat {
  readonly nodeId: NodeId;
  readonly weight: number;
}

export interface AssignmentInput {
  readonly slotCount: number;
  readonly boundedLoad: number;
  readonly seats: readonly WeightedSeat[];
  /** Owner of a slot so far; who has no seat any more counts as none. */
  previousOwner(slot: Slot): NodeId | undefined;
  /** Weights so far; a seat that is new or heavier now draws slots. */
  readonly previousWeights: ReadonlyMap<NodeId, number>;
}

/** For each slot an index into `seats`; empty where there is no seat. */
export function assignSlots(input: AssignmentInput): number[] {
  if (input.seats.length === 0) return [];
  const table = new SlotTable(input);
  table.placeOrphans();
  table.drawToRaised();
  table.unloadOverfull();
  return table.owners;
}

/** The slots that are due to a seat by its weight, and how many it owns at most. */
export function shareOf(
  seats: readonly WeightedSeat[],
  weight: number,
  slotCount: number,
  boundedLoad: number,
): { readonly share: number; readonly limit: number } {
  const share = (slotCount * weight) / totalWeight(seats);
  // Rounded first: 1.25 times a whole share must not become one more by the error of a floating-point number.
  return { share, limit: Math.ceil(Number((boundedLoad * share).toFixed(9))) };
}

/** Indexes of the seats in the order in which a slot ranks them. */
export function ranking(seats: readonly WeightedSeat[], slot: Slot): number[] {
  const costs = seats.map((seat) => costOf(seat, slot));
  return seats.map((_, index) => index).sort((a, b) => cost(costs, a) - cost(costs, b) || a - b);
}

/**
 * Lower ranks first. The logarithm of a uniform number divided by the weight makes the chance to rank first proportional to the
 * weight, and a changed weight changes the order only in which it takes part.
 */
export function costOf(seat: WeightedSeat, slot: Slot): number {
  const uniform = (hash32(`${slot} ${seat.nodeId}`) + 0.5) / 0x1_0000_0000;
  return -Math.log(uniform) / seat.weight;
}

class SlotTable {
  readonly owners: number[];
  private readonly counts: number[];
  private readonly shares: readonly { readonly share: number; readonly limit: number }[];
  private readonly costs: readonly Float64Array[];

  constructor(private readonly input: AssignmentInput) {
    const { seats, slotCount, boundedLoad } = input;
    const indexOf = new Map(seats.map((seat, index) => [seat.nodeId, index]));
    this.shares = seats.map((seat) => shareOf(seats, seat.weight, slotCount, boundedLoad));
    this.costs = seats.map((seat) =>
      Float64Array.from({ length: slotCount }, (_, slot) => costOf(seat, slot)),
    );
    this.counts = seats.map(() => 0);
    this.owners = Array.from({ length: slotCount }, (_, slot) => {
      const owner = indexOf.get(input.previousOwner(slot) ?? '') ?? NOBODY;
      if (owner !== NOBODY) this.counts[owner] = at(this.counts, owner) + 1;
      return owner;
    });
  }

  placeOrphans(): void {
    for (let slot = 0; slot < this.owners.length; slot += 1) {
      if (this.owners[slot] === NOBODY) this.move(slot, this.bestWithRoom(slot, NOBODY));
    }
  }

  drawToRaised(): void {
    const { seats, previousWeights } = this.input;
    const raised = seats.flatMap((seat, index) =>
      seat.weight > (previousWeights.get(seat.nodeId) ?? 0) ? [index] : [],
    );
    if (raised.length === 0) return;
    const wishes: { slot: Slot; seat: number; cost: number }[] = [];
    for (let slot = 0; slot < this.owners.length; slot += 1) {
      const seat = raised.reduce((best, index) =>
        this.cost(index, slot) < this.cost(best, slot) ? index : best,
      );
      const cost = this.cost(seat, slot);
      if (cost < this.cost(at(this.owners, slot), slot)) wishes.push({ slot, seat, cost });
    }
    // The strongest wishes first, since not all of them may be granted.
    wishes.sort((a, b) => a.cost - b.cost || a.slot - b.slot);
    for (const { slot, seat } of wishes) {
      if (at(this.counts, seat) < Math.round(at(this.shares, seat).share)) this.move(slot, seat);
    }
  }

  unloadOverfull(): void {
    for (let seat = 0; seat < this.counts.length; seat += 1) {
      const excess = at(this.counts, seat) - at(this.shares, seat).limit;
      if (excess <= 0) continue;
      const own = this.owners.flatMap((owner, slot) => (owner === seat ? [slot] : []));
      own.sort((a, b) => this.cost(seat, b) - this.cost(seat, a) || a - b);
      for (const slot of own.slice(0, excess)) this.move(slot, this.bestWithRoom(slot, seat));
    }
  }

  /** There always is one: the limits add up to more than all slots. */
  private bestWithRoom(slot: Slot, except: number): number {
    let best = NOBODY;
    for (let seat = 0; seat < this.counts.length; seat += 1) {
      if (seat === except || at(this.counts, seat) >= at(this.shares, seat).limit) continue;
      if (best === NOBODY || this.cost(seat, slot) < this.cost(best, slot)) best = seat;
    }
    return best;
  }

  private move(slot: Slot, to: number): void {
    const from = at(this.owners, slot);
    if (from !== NOBODY) this.counts[from] = at(this.counts, from) - 1;
    this.counts[to] = at(this.counts, to) + 1;
    this.owners[slot] = to;
  }

  private cost(seat: number, slot: Slot): number {
    return cost(at(this.costs, seat), slot);
  }
}

const NOBODY = -1;

function totalWeight(seats: readonly WeightedSeat[]): number {
  return seats.reduce((sum, seat) => sum + seat.weight, 0);
}

function cost(costs: ArrayLike<number>, index: number): number {
  return costs[index] ?? Number.POSITIVE_INFINITY;
}

/** Every index that reaches it comes from the list itself. */
function at<T>(list: readonly T[], index: number): T {
  return list[index] as T;
}
