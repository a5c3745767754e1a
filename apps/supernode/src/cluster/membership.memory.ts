import type { Clock } from '../clock/clock.port.ts';
import type { CoordinatorLease, MembershipStore } from './membership.port.ts';
import type { NodeId, NodeRecord } from './node-record.ts';

interface Lease {
  readonly record: NodeRecord;
  /** By the monotonic clock. */
  readonly endsAt: number;
}

/** Leases of supernodes of one process: of one that runs alone, and of simulated ones. */
export class MemoryMembershipStore implements MembershipStore {
  private readonly leases = new Map<NodeId, Lease>();

  constructor(private readonly clock: Pick<Clock, 'monotonic'>) {}

  renew(record: NodeRecord, ttlMs: number): Promise<boolean> {
    const held = this.held(record.nodeId);
    if (held && held.incarnation > record.incarnation) return Promise.resolve(false);
    this.leases.set(record.nodeId, { record, endsAt: this.clock.monotonic() + ttlMs });
    return Promise.resolve(true);
  }

  release(nodeId: NodeId, incarnation: number): Promise<void> {
    if (this.held(nodeId)?.incarnation === incarnation) this.leases.delete(nodeId);
    return Promise.resolve();
  }

  list(): Promise<readonly NodeRecord[]> {
    return Promise.resolve([...this.leases.keys()].flatMap((nodeId) => this.held(nodeId) ?? []));
  }

  private held(nodeId: NodeId): NodeRecord | undefined {
    const lease = this.leases.get(nodeId);
    if (lease && lease.endsAt > this.clock.monotonic()) return lease.record;
    this.leases.delete(nodeId);
    return undefined;
  }
}

/** The coordinator's lease among supernodes of one process. */
export class MemoryCoordinatorLease implements CoordinatorLease {
  private lease:
    { readonly nodeId: NodeId; readonly incarnation: number; readonly endsAt: number } | undefined;

  constructor(private readonly clock: Pick<Clock, 'monotonic'>) {}

  hold(nodeId: NodeId, incarnation: number, ttlMs: number): Promise<boolean> {
    const isFree = this.lease === undefined || this.lease.endsAt <= this.clock.monotonic();
    if (!isFree && !this.isHeldBy(nodeId, incarnation)) return Promise.resolve(false);
    this.lease = { nodeId, incarnation, endsAt: this.clock.monotonic() + ttlMs };
    return Promise.resolve(true);
  }

  release(nodeId: NodeId, incarnation: number): Promise<void> {
    if (this.isHeldBy(nodeId, incarnation)) this.lease = undefined;
    return Promise.resolve();
  }

  holder(): Promise<NodeId | undefined> {
    const isHeld = this.lease !== undefined && this.lease.endsAt > this.clock.monotonic();
    return Promise.resolve(isHeld ? this.lease?.nodeId : undefined);
  }

  private isHeldBy(nodeId: NodeId, incarnation: number): boolean {
    return this.lease?.nodeId === nodeId && this.lease.incarnation === incarnation;
  }
}
