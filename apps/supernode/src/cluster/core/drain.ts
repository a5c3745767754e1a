import type { Instant } from '@parley/nat';
import type { NodeId } from '../node-record.ts';
import type { MembershipView } from './membership-view.ts';

/** The wish of a supernode to leave, until nothing is left to hand over. */
export class Drain {
  private since: Instant | undefined;
  hasEnded = false;

  begin(now: Instant): void {
    this.since ??= now;
  }

  /** Whether it ended just now: the seat is given up, or nobody is there to take the slots. */
  end(hasSeat: boolean | undefined, self: NodeId, view: MembershipView): boolean {
    if (this.since === undefined || this.hasEnded) return false;
    this.hasEnded = hasSeat === false || isAlone(self, view, this.since);
    return this.hasEnded;
  }
}

/** By a reading of the leases that is newer than the wish. */
function isAlone(self: NodeId, view: MembershipView, since: Instant): boolean {
  if (view.lastReadAt === undefined || view.lastReadAt < since) return false;
  return !view
    .listed()
    .some(
      ({ record }) => record.nodeId !== self && record.state !== 'draining' && record.roles.includes('index'),
    );
}
