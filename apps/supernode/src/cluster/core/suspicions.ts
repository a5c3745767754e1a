import type { Instant } from '@parley/nat';
import type { NodeId } from '../node-record.ts';
import { accusedNodes } from './assessment.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { HeldSince } from './held-since.ts';
import type { MembershipView } from './membership-view.ts';

/** What speaks against supernodes that have a lease, and since when. */
export class Suspicions {
  private readonly withoutDatabase = new HeldSince();
  private readonly accused = new HeldSince();

  /** Who has no database itself may not judge who else has none. */
  note(view: MembershipView, isDatabaseReachable: boolean, settings: ClusterSettings, now: Instant): void {
    const lacking = isDatabaseReachable
      ? view.listed().filter(({ record }) => !record.databaseReachable)
      : [];
    this.withoutDatabase.note(
      lacking.map(({ record }) => record.nodeId),
      now,
    );
    this.accused.note(accusedNodes(view.all(), settings), now);
  }

  get times(): Readonly<Record<'databaseLostSince' | 'accusedSince', ReadonlyMap<NodeId, Instant>>> {
    return { databaseLostSince: this.withoutDatabase.since, accusedSince: this.accused.since };
  }
}
