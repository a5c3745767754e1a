import type { Instant } from '@parley/nat';
import type { NodeId, NodeRecord } from '../node-record.ts';

/** Since when other supernodes say that the database does not answer them, while it answers this one. */
export class DatabaseLosses {
  private readonly lostSince = new Map<NodeId, Instant>();

  get since(): ReadonlyMap<NodeId, Instant> {
    return this.lostSince;
  }

  /** `records` is empty where this supernode has no database itself, and so may not judge. */
  note(records: readonly NodeRecord[], now: Instant): void {
    const lost = records.flatMap((record) => (record.databaseReachable ? [] : [record.nodeId]));
    for (const nodeId of this.lostSince.keys()) if (!lost.includes(nodeId)) this.lostSince.delete(nodeId);
    for (const nodeId of lost) if (!this.lostSince.has(nodeId)) this.lostSince.set(nodeId, now);
  }
}
