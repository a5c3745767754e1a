import type { Instant } from '@parley/nat';
import type { NodeId } from '../node-record.ts';

/** Since when something has been true of supernodes without a break, as far as this one saw. */
export class HeldSince {
  private readonly held = new Map<NodeId, Instant>();

  get since(): ReadonlyMap<NodeId, Instant> {
    return this.held;
  }

  /** Of these it is true now, of all others it is not. */
  note(nodeIds: readonly NodeId[], now: Instant): void {
    for (const nodeId of this.held.keys()) if (!nodeIds.includes(nodeId)) this.held.delete(nodeId);
    for (const nodeId of nodeIds) if (!this.held.has(nodeId)) this.held.set(nodeId, now);
  }
}
