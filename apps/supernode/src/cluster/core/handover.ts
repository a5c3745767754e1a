/**
 * When a new owner of a slot may begin. The database says who owns a slot; that the former owner has stopped is known only
 *
 * - from itself: its lease or its answer to a probe names this roster or a later one, or
 * - by time: its right to act cannot outlast `handoverMs` after this supernode adopted the roster *and* has published, with its own
 *   lease, that it did (a former owner without the database learns it from there; see `rights.ts`).
 *
 * Former owners of rosters that this supernode never saw are unknown: then only time helps.
 */
import { after, type Instant } from '@parley/nat';
import type { NodeId } from '../node-record.ts';
import { seatOf, type Roster, type Seat } from '../roster.ts';
import type { Slot } from '../slot.ts';
import type { ClusterSettings } from './cluster-settings.ts';

/** Somebody who may still act for some slots, by a roster before `epoch`. */
interface FormerOwner {
  readonly nodeId: NodeId | undefined;
  readonly incarnation: number;
  /** The roster that took the slots away. */
  readonly epoch: number;
  readonly adoptedAt: Instant;
  publishedAt: Instant | undefined;
  readonly slots: Slot[];
}

export interface OwnedSlots {
  /** Slot to the epoch in which its owner became so. */
  readonly gained: ReadonlyMap<Slot, number>;
  readonly lost: ReadonlySet<Slot>;
}

export class Handover {
  private former: FormerOwner[] = [];
  /** Slots that this supernode owns by its roster, with their epochs. */
  private owned = new Map<Slot, number>();
  /** Those of them that it was told to have gained; another map when they change. */
  private gained: ReadonlyMap<Slot, number> = new Map();
  private isSettled = true;

  constructor(
    private readonly self: { readonly nodeId: NodeId; readonly incarnation: number },
    private readonly settings: Pick<ClusterSettings, 'handoverMs'>,
  ) {}

  adopt(previous: Roster, next: Roster, now: Instant): void {
    const former = new Map<string, FormerOwner>();
    const slots = Math.max(previous.owners.length, next.owners.length);
    this.owned = new Map();
    this.isSettled = false;
    for (let slot = 0; slot < slots; slot += 1) {
      const owner = seatOf(next, slot);
      const slotEpoch = next.slotEpochs[slot];
      if (owner !== undefined && slotEpoch !== undefined && this.isSelf(owner))
        this.owned.set(slot, slotEpoch);
      for (const before of ownersBetween(previous, next, slot)) {
        if (before !== undefined && this.isSelf(before)) continue;
        const key = before === undefined ? '' : `${before.incarnation} ${before.nodeId}`;
        let entry = former.get(key);
        if (entry === undefined) {
          entry = {
            nodeId: before?.nodeId,
            incarnation: before?.incarnation ?? 0,
            epoch: next.epoch,
            adoptedAt: now,
            publishedAt: undefined,
            slots: [],
          };
          former.set(key, entry);
        }
        entry.slots.push(slot);
      }
    }
    this.former.push(...former.values());
  }

  /** A supernode follows this roster by its own word, and so has ceased to act by any before. */
  confirmed(nodeId: NodeId, incarnation: number, epoch: number): void {
    this.former = this.former.filter(
      (entry) => entry.nodeId !== nodeId || entry.incarnation !== incarnation || entry.epoch > epoch,
    );
  }

  /** The lease store has acknowledged a lease of this supernode that names `epoch`. */
  published(epoch: number, now: Instant): void {
    for (const entry of this.former) if (entry.epoch <= epoch) entry.publishedAt ??= now;
  }

  /** What changed since the last call, and is right at `now`. */
  take(now: Instant): OwnedSlots {
    if (this.isSettled && this.former.length === 0) return NO_CHANGE;
    if (this.former.some((entry) => this.endsAt(entry) <= now))
      this.former = this.former.filter((entry) => !(this.endsAt(entry) <= now));
    // Nothing was adopted since the last call, and nobody is left to wait for.
    if (this.isSettled) return NO_CHANGE;
    const before = this.gained;
    const lost = new Set<Slot>();
    for (const [slot, epoch] of before) if (this.owned.get(slot) !== epoch) lost.add(slot);
    const gained = new Map<Slot, number>();
    if (before.size - lost.size < this.owned.size) {
      const blocked = new Set<Slot>();
      for (const entry of this.former) for (const slot of entry.slots) blocked.add(slot);
      for (const [slot, epoch] of this.owned) {
        if (!blocked.has(slot) && before.get(slot) !== epoch) gained.set(slot, epoch);
      }
    }
    if (gained.size > 0 || lost.size > 0) {
      const kept = [...before].filter(([slot]) => !lost.has(slot));
      this.gained = new Map([...kept, ...gained]);
    }
    this.isSettled = !this.isWaiting;
    return { gained, lost };
  }

  get gainedSlots(): ReadonlyMap<Slot, number> {
    return this.gained;
  }

  /** Whether slots of this supernode wait for somebody. */
  get isWaiting(): boolean {
    return this.gained.size < this.owned.size;
  }

  /** Whom an owned slot waits for; a supernode that is not known is the empty string. */
  waitsFor(slot: Slot): NodeId[] {
    if (!this.owned.has(slot) || this.gained.has(slot)) return [];
    return this.former.flatMap((entry) => (entry.slots.includes(slot) ? [entry.nodeId ?? ''] : []));
  }

  nextAt(): Instant | undefined {
    let next: Instant | undefined;
    for (const entry of this.former) {
      const end = this.endsAt(entry);
      if (end !== NEVER && (next === undefined || end < next)) next = end;
    }
    return next;
  }

  private endsAt(entry: FormerOwner): Instant {
    if (entry.publishedAt === undefined) return NEVER;
    const start = entry.publishedAt > entry.adoptedAt ? entry.publishedAt : entry.adoptedAt;
    return after(start, this.settings.handoverMs);
  }

  private isSelf(seat: Seat): boolean {
    return seat.nodeId === this.self.nodeId && seat.incarnation === this.self.incarnation;
  }
}

const NO_CHANGE: OwnedSlots = { gained: new Map(), lost: new Set() };
const NEVER = Number.POSITIVE_INFINITY as Instant;

/**
 * Who may have owned a slot from the one roster until just before the other: the former owner, and undefined for those of rosters
 * in between that nobody here has seen.
 */
function ownersBetween(previous: Roster, next: Roster, slot: Slot): (Seat | undefined)[] {
  const [before, owner] = [seatOf(previous, slot), seatOf(next, slot)];
  const slotEpoch = next.slotEpochs[slot];
  // An epoch of ownership that was known already: the same owner without a break.
  if (slotEpoch !== undefined && slotEpoch <= previous.epoch && owner !== undefined) return [];
  const isGap = (slotEpoch ?? next.epoch) > previous.epoch + 1;
  return [...(before === undefined ? [] : [before]), ...(isGap ? [undefined] : [])];
}
