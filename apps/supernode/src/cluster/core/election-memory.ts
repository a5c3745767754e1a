import type { Instant } from '@parley/nat';
import type { NodeId } from '../node-record.ts';
import type { Roster } from '../roster.ts';
import { HeldConditions } from './hysteresis.ts';

/**
 * What an election remembers between two looks. Every supernode keeps it by the rosters that it follows, so that a new coordinator
 * goes on where the former one was; only conditions that must hold for a while begin anew with it.
 */
export class ElectionMemory {
  readonly held = new HeldConditions();
  private readonly seatedSince = new Map<string, Instant>();
  private readonly weightSince = new Map<string, Instant>();
  private readonly promotedAt = new Map<string, Instant>();
  /** Seats that were lost and not replaced, by region. */
  private readonly owed = new Map<string, number>();

  rosterAdopted(previous: Roster, next: Roster, now: Instant): void {
    const before = new Map(previous.seats.map((seat) => [keyOf(seat), seat]));
    const present = new Set<string>();
    for (const seat of next.seats) {
      const key = keyOf(seat);
      const former = before.get(key);
      present.add(key);
      if (former === undefined) {
        this.seatedSince.set(key, now);
        this.promotedAt.set(seat.region, now);
        this.owed.set(seat.region, Math.max(0, this.owedIn(seat.region) - 1));
      }
      if (former?.weight !== seat.weight) this.weightSince.set(key, now);
    }
    for (const map of [this.seatedSince, this.weightSince]) {
      for (const key of map.keys()) if (!present.has(key)) map.delete(key);
    }
  }

  tenureMs(seat: SeatKey, now: Instant): number {
    return now - (this.seatedSince.get(keyOf(seat)) ?? now);
  }

  weightHeldMs(seat: SeatKey, now: Instant): number {
    return now - (this.weightSince.get(keyOf(seat)) ?? now);
  }

  /** Undefined when there was none that this supernode saw. */
  sincePromotionMs(region: string, now: Instant): number | undefined {
    const at = this.promotedAt.get(region);
    return at === undefined ? undefined : now - at;
  }

  owedIn(region: string): number {
    return this.owed.get(region) ?? 0;
  }

  setOwed(vacant: ReadonlyMap<string, number>): void {
    this.owed.clear();
    for (const [region, seats] of vacant) this.owed.set(region, seats);
  }

  /** A new coordinator owes nothing that it did not see lost, and judges by what it sees itself. */
  begin(): void {
    this.owed.clear();
    this.held.retain(() => false);
  }
}

interface SeatKey {
  readonly nodeId: NodeId;
  readonly incarnation: number;
}

function keyOf({ nodeId, incarnation }: SeatKey): string {
  return `${incarnation} ${nodeId}`;
}
