import type { Instant } from '@parley/nat';
import type { NodeRecord } from '../node-record.ts';
import type { ClusterOutput, FailedRequest } from './cluster-io.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { Poll } from './poll.ts';

export interface OverdueRequest {
  readonly request: FailedRequest;
  readonly sentAt: Instant;
}

export interface DueFacts {
  readonly record: () => NodeRecord;
  /** Somebody's word is awaited, or somebody's lease has just gone: leases are read more often. */
  readonly isListUrgent: boolean;
  readonly canCoordinate: boolean;
}

/** When which store is asked for what: each of the four requests is repeated, one at a time. */
export class StoreRequests {
  private readonly polls: Readonly<Record<FailedRequest, Poll>>;
  private readonly all: readonly Poll[];
  /** Epochs that leases on their way to the store name, by when they were sent. */
  private readonly publishing = new Map<Instant, number>();

  constructor(
    private readonly settings: ClusterSettings,
    startedAt: Instant,
  ) {
    const poll = () => new Poll(settings.requestTimeoutMs, startedAt);
    this.polls = {
      'renew-lease': poll(),
      'read-leases': poll(),
      'hold-coordination': poll(),
      'read-roster': poll(),
    };
    this.all = REQUESTS.map((request) => this.polls[request]);
  }

  ended(request: FailedRequest, sentAt: Instant, now: Instant): void {
    this.polls[request].ended(sentAt, now);
  }

  hurry(request: FailedRequest, now: Instant): void {
    this.polls[request].hurry(now);
  }

  /** After a pause: what was read before says nothing any more. */
  hurryAll(now: Instant): void {
    for (const request of REQUESTS) this.hurry(request, now);
  }

  /** The epoch that the acknowledged lease named; undefined where another one was acknowledged since. */
  renewed(sentAt: Instant, now: Instant): number | undefined {
    this.ended('renew-lease', sentAt, now);
    const epoch = this.publishing.get(sentAt);
    for (const at of this.publishing.keys()) if (at <= sentAt) this.publishing.delete(at);
    return epoch;
  }

  takeOverdue(now: Instant): readonly OverdueRequest[] {
    if (!this.all.some((poll) => poll.isOverdue(now))) return NOTHING_OVERDUE;
    const overdue: OverdueRequest[] = [];
    for (const request of REQUESTS) {
      const sentAt = this.polls[request].takeOverdue(now);
      if (sentAt !== undefined) overdue.push({ request, sentAt });
    }
    return overdue;
  }

  isDue(now: Instant): boolean {
    return this.all.some((poll) => poll.isDue(now));
  }

  takeDue(facts: DueFacts, now: Instant): ClusterOutput[] {
    const { settings } = this;
    const due: ClusterOutput[] = [];
    if (this.begin('renew-lease', settings.renewIntervalMs, now)) {
      const record = facts.record();
      this.publishing.set(now, record.rosterEpoch);
      due.push({ kind: 'renew-lease', sentAt: now, record, ttlMs: settings.leaseTtlMs });
    }
    const listEveryMs = facts.isListUrgent ? settings.handoverPollMs : settings.renewIntervalMs;
    if (this.begin('read-leases', listEveryMs, now)) due.push({ kind: 'read-leases', sentAt: now });
    if (this.begin('read-roster', settings.rosterPollMs, now)) due.push({ kind: 'read-roster', sentAt: now });
    if (this.begin('hold-coordination', settings.renewIntervalMs, now)) {
      if (facts.canCoordinate) {
        due.push({ kind: 'hold-coordination', sentAt: now, ttlMs: settings.coordinatorTtlMs });
      } else this.ended('hold-coordination', now, now);
    }
    return due;
  }

  nextAt(): Instant | undefined {
    let next: Instant | undefined;
    for (const poll of this.all) {
      const at = poll.nextAt();
      if (next === undefined || at < next) next = at;
    }
    return next;
  }

  private begin(request: FailedRequest, intervalMs: number, now: Instant): boolean {
    const poll = this.polls[request];
    if (!poll.isDue(now)) return false;
    poll.sent(now, intervalMs);
    return true;
  }
}

const NOTHING_OVERDUE: readonly OverdueRequest[] = [];
const REQUESTS = ['renew-lease', 'read-leases', 'hold-coordination', 'read-roster'] as const;
