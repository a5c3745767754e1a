/** Name of a supernode: `SUPERNODE_NODE_ID`, or made at every start. */
export type NodeId = string;

/**
 * Where a supernode stands (DESIGN section 1), as it publishes it. `joining`: not verified yet. `standby`: verified and
 * without a seat. `active`: has a seat in the roster. `draining`: wants no seat any more. Down is who has no lease.
 */
export const NODE_STATES = ['joining', 'standby', 'active', 'draining'] as const;
export type NodeState = (typeof NODE_STATES)[number];

export const REACHABILITIES = ['unverified', 'verified', 'unreachable'] as const;
/** What others found when they tried the addresses from outside; never what the supernode says of itself. */
export type Reachability = (typeof REACHABILITIES)[number];

/** How busy a supernode is now; every share is 0 to 1. */
export interface LoadVector {
  readonly connections: number;
  readonly cpu: number;
  readonly memory: number;
  /** 99th percentile over the last seconds, milliseconds. */
  readonly eventLoopDelayMs: number;
  readonly relayBytesPerSecond: number;
}

/** The supernode's own limits, so that nobody judges it by theirs. */
export interface Capacity {
  readonly connections: number;
  readonly relayBytesPerSecond: number;
  readonly eventLoopDelayMs: number;
}

export interface NodeAddresses {
  /** Base URL of the edge gateway, for clients and for probes of other supernodes: `http://203.0.113.5:8080`. */
  readonly edge: string;
  /** `address:port` of STUN; null without the relay role. */
  readonly stun: string | null;
}

/** What a supernode publishes of itself with its lease (DESIGN 5.1). */
export interface NodeRecord {
  readonly nodeId: NodeId;
  /** Grows with each start of this node id. */
  readonly incarnation: number;
  readonly state: NodeState;
  readonly region: string;
  readonly version: string;
  readonly roles: readonly ('index' | 'relay')[];
  readonly addresses: NodeAddresses;
  readonly capacity: Capacity;
  readonly load: LoadVector;
  /** Milliseconds since the start of this process. */
  readonly uptimeMs: number;
  /** Nodes that this one can't reach by its own probes: the second opinion. */
  readonly unreachable: readonly NodeId[];
  /** Nodes whose addresses this one reached from outside: it vouches for them. */
  readonly reached: readonly NodeId[];
  /** Roster epoch that this node follows: it has ceased to act by every lower one. */
  readonly rosterEpoch: number;
  /** Whether the database answers it. */
  readonly databaseReachable: boolean;
}
