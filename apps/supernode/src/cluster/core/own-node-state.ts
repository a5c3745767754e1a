import type { LoadVector, NodeAddresses, NodeId, NodeRecord, NodeState } from '../node-record.ts';
import type { Roster } from '../roster.ts';
import type { OwnNode } from './cluster-io.ts';
import { lifecycleTransition, type LifecycleCause } from './node-lifecycle.ts';

/** What this supernode publishes of itself. */
export class OwnNodeState {
  state: NodeState = 'joining';
  load = IDLE;
  uptimeMs = 0;
  addresses: NodeAddresses;

  constructor(readonly node: OwnNode) {
    this.addresses = node.addresses;
  }

  /** The states before and after; undefined where nothing changed. */
  move(cause: LifecycleCause): { readonly from: NodeState; readonly to: NodeState } | undefined {
    const from = this.state;
    const to = lifecycleTransition(from, cause);
    if (to === undefined) return undefined;
    this.state = to;
    return { from, to };
  }

  hasSeatIn(roster: Roster): boolean {
    const { nodeId, incarnation } = this.node;
    return roster.seats.some((seat) => seat.nodeId === nodeId && seat.incarnation === incarnation);
  }

  record(
    opinions: { readonly reached: readonly NodeId[]; readonly unreachable: readonly NodeId[] },
    rosterEpoch: number,
    databaseReachable: boolean,
  ): NodeRecord {
    const { nodeId, incarnation, region, version, roles, capacity } = this.node;
    const { state, load, uptimeMs, addresses } = this;
    return {
      nodeId,
      incarnation,
      state,
      region,
      version,
      roles,
      addresses,
      capacity,
      load,
      uptimeMs,
      ...opinions,
      rosterEpoch,
      databaseReachable,
    };
  }
}

const IDLE: LoadVector = { connections: 0, cpu: 0, memory: 0, eventLoopDelayMs: 0, relayBytesPerSecond: 0 };
