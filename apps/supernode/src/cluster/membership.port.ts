import type { NodeId, NodeRecord } from './node-record.ts';

/** Leases of supernodes: shared live state with an expiry. Every method rejects while the store is out of reach. */
export interface MembershipStore {
  /**
   * Takes or renews the lease of this incarnation for `ttlMs`. False, and nothing written, when a higher incarnation of
   * the node id holds it.
   */
  renew(record: NodeRecord, ttlMs: number): Promise<boolean>;
  /** Ends the lease, if this incarnation still holds it. */
  release(nodeId: NodeId, incarnation: number): Promise<void>;
  /** Everybody with a lease now. */
  list(): Promise<readonly NodeRecord[]>;
}

export const MEMBERSHIP_STORE = Symbol('MembershipStore');

/** The one lease of the coordinator. Every method rejects while the store is out of reach. */
export interface CoordinatorLease {
  /** Takes the lease when nobody has it, or renews it when this incarnation does; whether it has it now, for `ttlMs`. */
  hold(nodeId: NodeId, incarnation: number, ttlMs: number): Promise<boolean>;
  release(nodeId: NodeId, incarnation: number): Promise<void>;
  holder(): Promise<NodeId | undefined>;
}

export const COORDINATOR_LEASE = Symbol('CoordinatorLease');
