import { instant, type Instant } from '@parley/nat';
import type { TenantId, UserId } from '@parley/protocol';
import type { BackgroundTasks } from '../background-tasks.ts';
import type { Clock } from '../clock/clock.port.ts';
import type { ClusterView, NodeView } from './core/cluster-io.ts';
import type { NodeId } from './node-record.ts';
import { offeredRelays } from './offered-relays.ts';
import type { Ownership, OwnershipChange, Tenure } from './ownership.port.ts';
import { seatOf, type Roster } from './roster.ts';
import { slotOf, type Slot } from './slot.ts';

const MAX_HOMES = 3;
/** Each look judges all supernodes anew, and thousands may sign in in a second. */
const LOOK_AT_NODES_MS = 1_000;

/**
 * Ownership as the core knows it. The clock is read at every call, so that what was queued while the process stood still finds its
 * tenure over, whatever timer fires first.
 */
export class ClusterOwnership implements Ownership {
  private readonly listeners = new Set<(change: OwnershipChange) => void>();
  private nodes: { readonly seen: readonly NodeView[]; readonly until: number } | undefined;
  private homes: { readonly roster: Roster; readonly urls: Map<Slot, readonly string[]> } | undefined;

  /** @param clock - that of the core */
  constructor(
    readonly self: NodeId,
    private readonly view: Pick<ClusterView, 'roster' | 'standing' | 'gainedEpoch' | 'homes' | 'nodes'>,
    private readonly clock: Clock,
    private readonly tasks: BackgroundTasks,
  ) {}

  get isHeldBack(): boolean {
    const seat = this.view.roster.seats.find(({ nodeId }) => nodeId === this.self);
    return seat === undefined || seat.weight < 1;
  }

  ownerOf(tenant: TenantId, userId: UserId): NodeId | undefined {
    return seatOf(this.view.roster, slotOf(tenant, userId))?.nodeId;
  }

  tenureOf(tenant: TenantId, userId: UserId): Tenure | undefined {
    return this.tenureOfSlot(slotOf(tenant, userId));
  }

  tenureOfSlot(slot: Slot): Tenure | undefined {
    // While a store is away the home goes on for who is connected: what needs the store is refused there, and the fence of the
    // slot refuses whom somebody followed.
    if (this.view.standing(this.now()) === 'suspended') return undefined;
    const epoch = this.view.gainedEpoch(slot);
    return epoch === undefined ? undefined : { slot, epoch };
  }

  homesOf(tenant: TenantId, userId: UserId): readonly string[] {
    const slot = slotOf(tenant, userId);
    const urls = this.homesNow();
    const known = urls.get(slot);
    if (known !== undefined) return known;
    const seats = this.view.homes(slot).slice(0, MAX_HOMES);
    const homes = seats.map(({ addresses }) => addresses.edge);
    urls.set(slot, homes);
    return homes;
  }

  otherRelaysOf(tenant: TenantId, userId: UserId): readonly string[] {
    const nodes = this.nodesNow();
    const region = nodes.find(({ record }) => record.nodeId === this.self)?.record.region;
    const wishes = { self: this.self, region, key: `${tenant} ${userId}` };
    return offeredRelays(nodes, wishes).map(({ address }) => address);
  }

  relayAddresses(): readonly string[] {
    return this.nodesNow().flatMap(({ record }) => record.addresses.stun ?? []);
  }

  activeNodes(): readonly NodeId[] {
    return this.view.roster.seats.map(({ nodeId }) => nodeId);
  }

  activeEdges(): readonly string[] {
    return this.view.roster.seats.map(({ addresses }) => addresses.edge);
  }

  aliveNodes(): readonly NodeId[] {
    const leased = this.nodesNow().map(({ record }) => record.nodeId);
    return [...new Set([...this.activeNodes(), ...leased])];
  }

  onChange(listener: (change: OwnershipChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Tells all listeners, one after the other; one that fails keeps no other from hearing it. */
  changed(change: OwnershipChange): void {
    for (const listener of [...this.listeners])
      void this.tasks.attempt('Hearing of slots', () => {
        listener(change);
        return Promise.resolve();
      });
  }

  /** What was worked out for one roster serves until the next. */
  private homesNow(): Map<Slot, readonly string[]> {
    const { roster } = this.view;
    if (this.homes?.roster !== roster) this.homes = { roster, urls: new Map() };
    return this.homes.urls;
  }

  private nodesNow(): readonly NodeView[] {
    const at = this.clock.monotonic();
    if (this.nodes === undefined || at >= this.nodes.until)
      this.nodes = { seen: this.view.nodes, until: at + LOOK_AT_NODES_MS };
    return this.nodes.seen;
  }

  private now(): Instant {
    return instant(this.clock.monotonic());
  }
}
