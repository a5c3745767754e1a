import type { TenantId, UserId } from '@parley/protocol';
import type { NodeId } from '../../cluster/node-record.ts';
import { OwnAddresses } from '../../cluster/own-addresses.ts';
import type { Ownership, OwnershipChange, Tenure } from '../../cluster/ownership.port.ts';
import { SLOT_COUNT, slotOf, type Slot } from '../../cluster/slot.ts';
import type { UserAddress } from '../../identity/connection-context.ts';
import { UserHomes } from '../user-homes.ts';

/** One roster for several supernodes of a test, which moves users by hand. Whoever is first owns everything. */
export class MovableRoster {
  private readonly owners = new Map<Slot, { nodeId: NodeId | undefined; epoch: number }>();
  private readonly nodes: MovableOwnership[] = [];
  private epoch = 1;

  join(nodeId: NodeId): MovableOwnership {
    const node = new MovableOwnership(nodeId, this);
    this.nodes.push(node);
    return node;
  }

  ownerOf(slot: Slot): { nodeId: NodeId | undefined; epoch: number } {
    return this.owners.get(slot) ?? { nodeId: this.nodes[0]?.self, epoch: 1 };
  }

  /** Gives users to another supernode; to nobody where there is none named. */
  move(users: readonly UserAddress[], to?: MovableOwnership): void {
    this.moveSlots(new Set(users.map(({ tenant, userId }) => slotOf(tenant, userId))), to);
  }

  moveAll(to: MovableOwnership): void {
    this.moveSlots(new Set(Array.from({ length: SLOT_COUNT }, (_, slot) => slot)), to);
  }

  edges(): readonly string[] {
    return this.nodes.map(({ edge }) => edge);
  }

  nodeIds(): readonly NodeId[] {
    return this.nodes.map(({ self }) => self);
  }

  edgeOf(nodeId: NodeId | undefined): string | undefined {
    return this.nodes.find(({ self }) => self === nodeId)?.edge;
  }

  private moveSlots(slots: ReadonlySet<Slot>, to: MovableOwnership | undefined): void {
    const before = new Map([...slots].map((slot) => [slot, this.ownerOf(slot).nodeId]));
    this.epoch += 1;
    for (const slot of slots) this.owners.set(slot, { nodeId: to?.self, epoch: this.epoch });
    for (const node of this.nodes) {
      const lost = new Set([...slots].filter((slot) => before.get(slot) === node.self));
      const gained = node === to ? slots : new Set<Slot>();
      if (lost.size + gained.size > 0) node.tell({ gained, lost });
    }
  }
}

/** What one supernode sees of a {@link MovableRoster}. */
export class MovableOwnership implements Ownership {
  readonly addresses = new OwnAddresses();
  readonly isHeldBack = false;
  /** False: the lease ran out, and the roster still names this supernode. */
  mayAct = true;
  private readonly listeners = new Set<(change: OwnershipChange) => void>();

  constructor(
    readonly self: NodeId,
    private readonly roster: MovableRoster,
  ) {
    this.publish(`http://${self}.example.net`);
  }

  get edge(): string {
    return this.addresses.published?.edge ?? '';
  }

  get homes(): UserHomes {
    return new UserHomes(this, this.addresses);
  }

  publish(edge: string): void {
    this.addresses.publish({ edge, stun: null });
  }

  tell(change: OwnershipChange): void {
    for (const listener of [...this.listeners]) listener(change);
  }

  ownerOf(tenant: TenantId, userId: UserId): NodeId | undefined {
    return this.roster.ownerOf(slotOf(tenant, userId)).nodeId;
  }

  tenureOf(tenant: TenantId, userId: UserId): Tenure | undefined {
    return this.tenureOfSlot(slotOf(tenant, userId));
  }

  tenureOfSlot(slot: Slot): Tenure | undefined {
    const { nodeId, epoch } = this.roster.ownerOf(slot);
    return nodeId === this.self && this.mayAct ? { slot, epoch } : undefined;
  }

  homesOf(tenant: TenantId, userId: UserId): readonly string[] {
    const home = this.roster.edgeOf(this.ownerOf(tenant, userId));
    const others = this.roster.edges().filter((edge) => edge !== home);
    return [...(home === undefined ? [] : [home]), ...others].slice(0, 3);
  }

  otherRelaysOf(): readonly string[] {
    return [];
  }

  relayAddresses(): readonly string[] {
    return [];
  }

  activeNodes(): readonly NodeId[] {
    return this.roster.nodeIds();
  }

  activeEdges(): readonly string[] {
    return this.roster.edges();
  }

  aliveNodes(): readonly NodeId[] {
    return this.roster.nodeIds();
  }

  onChange(listener: (change: OwnershipChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
