import type { TenantId, UserId } from '@parley/protocol';
import type { BackgroundTasks } from '../background-tasks.ts';
import type { Clock } from '../clock/clock.port.ts';
import type { NodeId } from './node-record.ts';
import type { Ownership, OwnershipChange, Tenure } from './ownership.port.ts';
import { EMPTY_ROSTER, seatOf, slotsOf, type Roster, type Seat } from './roster.ts';
import { slotOf, type Slot } from './slot.ts';

/** Seats in the order in which they would own a slot, if each before were gone. */
export type SlotOrder = (slot: Slot, seats: readonly Seat[]) => readonly Seat[];

/** Who this run of the supernode is. */
export interface OwnRun {
  readonly nodeId: NodeId;
  readonly incarnation: number;
}

const MAX_HOMES = 3;

/**
 * Ownership as the newest roster says that this supernode has seen. It may act for its slots only for as long as it was told
 * last, by its own clocks: they are read at every call, so that what was queued while the process stood still (a stopped
 * process, a suspended machine) finds its tenure over, whatever timer fires first.
 */
export class ClusterOwnership implements Ownership {
  private followed = EMPTY_ROSTER;
  private own: ReadonlyMap<Slot, number> = new Map();
  private readonly homes = new Map<Slot, readonly string[]>();
  private readonly listeners = new Set<(change: OwnershipChange) => void>();
  private until = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };

  constructor(
    private readonly run: OwnRun,
    private readonly order: SlotOrder,
    private readonly clock: Clock,
    private readonly tasks: BackgroundTasks,
  ) {}

  get self(): NodeId {
    return this.run.nodeId;
  }

  get roster(): Roster {
    return this.followed;
  }

  /** Slots that this run owns by its roster, whether or not it may act for them now. */
  get ownSlots(): number {
    return this.own.size;
  }

  /** False while the time for which this supernode may act has run out. */
  get mayAct(): boolean {
    return this.clock.monotonic() < this.until.monotonic && this.clock.now() < this.until.wall;
  }

  /**
   * Allows acting until `instant` of the monotonic clock. That clock stands still while a machine is suspended; so the other one
   * has to agree.
   */
  actUntil(instant: number): void {
    this.until = { monotonic: instant, wall: this.clock.now() + (instant - this.clock.monotonic()) };
  }

  /** Follows a roster; false when a newer one, or this one, is followed already. */
  adopt(roster: Roster): boolean {
    if (roster.epoch <= this.followed.epoch) return false;
    const before = this.own;
    this.followed = roster;
    this.own = slotsOf(roster, this.run.nodeId, this.run.incarnation);
    this.homes.clear();
    const change = changeBetween(before, this.own);
    if (change.gained.size > 0 || change.lost.size > 0) this.tell(change);
    return true;
  }

  ownerOf(tenant: TenantId, userId: UserId): NodeId | undefined {
    return seatOf(this.followed, slotOf(tenant, userId))?.nodeId;
  }

  tenureOf(tenant: TenantId, userId: UserId): Tenure | undefined {
    return this.tenureOfSlot(slotOf(tenant, userId));
  }

  tenureOfSlot(slot: Slot): Tenure | undefined {
    const epoch = this.own.get(slot);
    return epoch !== undefined && this.mayAct ? { slot, epoch } : undefined;
  }

  homesOf(tenant: TenantId, userId: UserId): readonly string[] {
    const slot = slotOf(tenant, userId);
    const known = this.homes.get(slot);
    if (known !== undefined) return known;
    const homes = this.homesOfSlot(slot);
    this.homes.set(slot, homes);
    return homes;
  }

  activeNodes(): readonly NodeId[] {
    return this.followed.seats.map(({ nodeId }) => nodeId);
  }

  onChange(listener: (change: OwnershipChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private homesOfSlot(slot: Slot): readonly string[] {
    const owner = seatOf(this.followed, slot);
    const others = this.order(slot, this.followed.seats).filter((seat) => seat !== owner);
    const homes = [...(owner === undefined ? [] : [owner]), ...others];
    return homes.slice(0, MAX_HOMES).map(({ addresses }) => addresses.edge);
  }

  private tell(change: OwnershipChange): void {
    for (const listener of [...this.listeners])
      void this.tasks.attempt('Hearing of slots', () => {
        listener(change);
        return Promise.resolve();
      });
  }
}

/** A slot that was lost and came back in between is both: somebody else acted for it. */
function changeBetween(before: ReadonlyMap<Slot, number>, after: ReadonlyMap<Slot, number>): OwnershipChange {
  const gained = new Set([...after.keys()].filter((slot) => before.get(slot) !== after.get(slot)));
  const lost = new Set([...before.keys()].filter((slot) => after.get(slot) !== before.get(slot)));
  return { gained, lost };
}
