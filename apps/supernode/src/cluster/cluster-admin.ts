import { instant } from '@parley/nat';
import type { TenantId, UserId } from '@parley/protocol';
import type { AuditRecord } from '../admin/audit.ts';
import type { Links } from '../links/links.port.ts';
import type { ClusterRuntime } from './cluster-runtime.ts';
import type { ClusterAlert, NodeView, SlotExplanation, Standing } from './core/cluster-io.ts';
import type { NodeId } from './node-record.ts';
import type { Ownership } from './ownership.port.ts';
import type { Roster, Seat } from './roster.ts';
import type { ElectionControls, RecordedDecision, RosterStore } from './roster-store.port.ts';
import { slotOf } from './slot.ts';

/** A supernode as this one sees it: by its lease, by its seat, or by both. */
export interface ClusterNode {
  readonly nodeId: NodeId;
  /** Undefined where only the roster still knows it. */
  readonly view: NodeView | undefined;
  readonly seat: Seat | undefined;
  readonly slots: number;
}

export interface AssignmentExplanation extends SlotExplanation {
  readonly homes: readonly string[];
  /** Relays at others than the supernode that answers, in the order in which it would offer them. */
  readonly relays: readonly string[];
}

/** The cluster as operators see and steer it, by way of one supernode. */
export class ClusterAdmin {
  constructor(
    private readonly runtime: Pick<ClusterRuntime, 'view' | 'clock' | 'drain'>,
    private readonly ownership: Ownership,
    private readonly rosters: RosterStore,
    private readonly links: Pick<Links, 'request'>,
  ) {}

  /** The supernode that answers. */
  get self(): NodeId {
    return this.ownership.self;
  }

  get roster(): Roster {
    return this.runtime.view.roster;
  }

  get alerts(): ReadonlyMap<ClusterAlert, string> {
    return this.runtime.view.alerts;
  }

  get standing(): Standing {
    return this.runtime.view.standing(this.now());
  }

  /** In the order of their names. */
  nodes(): readonly ClusterNode[] {
    const { nodes, roster } = this.runtime.view;
    const views = new Map(nodes.map((view) => [view.record.nodeId, view]));
    const seats = new Map(roster.seats.map((seat) => [seat.nodeId, seat]));
    const slots = new Map<NodeId, number>();
    for (const owner of roster.owners) {
      const nodeId = roster.seats[owner]?.nodeId;
      if (nodeId !== undefined) slots.set(nodeId, (slots.get(nodeId) ?? 0) + 1);
    }
    return [...new Set([...views.keys(), ...seats.keys()])].sort().map((nodeId) => ({
      nodeId,
      view: views.get(nodeId),
      seat: seats.get(nodeId),
      slots: slots.get(nodeId) ?? 0,
    }));
  }

  decisions(limit: number): Promise<readonly RecordedDecision[]> {
    return this.rosters.decisions(limit);
  }

  controls(): Promise<ElectionControls> {
    return this.rosters.controls();
  }

  freeze(isFrozen: boolean, audit: AuditRecord): Promise<ElectionControls> {
    return this.rosters.changeControls((controls) => ({ ...controls, isFrozen }), audit);
  }

  pin(nodeId: NodeId, state: 'active' | 'standby', audit: AuditRecord): Promise<ElectionControls> {
    return this.rosters.changeControls(
      ({ pins, ...controls }) => ({ ...controls, pins: { ...pins, [nodeId]: state } }),
      audit,
    );
  }

  unpin(nodeId: NodeId, audit: AuditRecord): Promise<ElectionControls> {
    return this.rosters.changeControls(({ pins, ...controls }) => {
      const { [nodeId]: _unpinned, ...others } = pins;
      return { ...controls, pins: others };
    }, audit);
  }

  /**
   * Lets a supernode give up its seat and its slots, as it does when it stops; it stays so until it is started again.
   *
   * @throws SupernodeError SN_LINK_TIMEOUT and its kind where the other one does not answer
   */
  async drain(nodeId: NodeId, audit: AuditRecord): Promise<void> {
    // The controls stay as they are; the audit log has who asked, before anything happens.
    await this.rosters.changeControls((controls) => controls, audit);
    if (nodeId === this.self) void this.runtime.drain();
    else await this.links.request(nodeId, 'supernode.drain', {});
  }

  explain(tenant: TenantId, userId: UserId): AssignmentExplanation {
    const explanation = this.runtime.view.explain(slotOf(tenant, userId), this.now());
    const { ownership } = this;
    return {
      ...explanation,
      homes: ownership.homesOf(tenant, userId),
      relays: ownership.otherRelaysOf(tenant, userId),
    };
  }

  private now() {
    return instant(this.runtime.clock.monotonic());
  }
}

/** A {@link ClusterAdmin}; only in a cluster. */
export const CLUSTER_ADMIN = Symbol('ClusterAdmin');
