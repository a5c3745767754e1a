import { after, type Instant } from '@parley/nat';
import type { LoadVector, NodeId, NodeRecord } from '../node-record.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { smoothedLoad } from './score.ts';

export interface Member {
  /** As it was at the last reading that had it. */
  readonly record: NodeRecord;
  readonly averageLoad: LoadVector;
  readonly listedAt: Instant;
  /** When its lease was first found gone; undefined while it has one. */
  readonly absentSince: Instant | undefined;
}

/** Everybody who has, or not long ago had, a lease, as far as this supernode saw. */
export class MembershipView {
  private readonly members = new Map<NodeId, Member>();
  private readAt: Instant | undefined;
  /** Until then a missing lease alone proves nothing: the store was away or has lost data, and holders are coming back. */
  private unsettledUntil: Instant | undefined;
  private hasFailed = false;
  private absent = false;

  constructor(
    private readonly self: NodeId,
    private readonly settings: Pick<ClusterSettings, 'leaseTtlMs' | 'storeReturnMs' | 'smoothingMs'>,
  ) {}

  /** Takes in a reading of all leases. A reading sent before another one that is known already changes nothing. */
  read(records: readonly NodeRecord[], sentAt: Instant, now: Instant): boolean {
    if (this.readAt !== undefined && sentAt <= this.readAt) return false;
    const isReturn =
      this.hasFailed || (this.readAt !== undefined && sentAt - this.readAt > this.settings.leaseTtlMs);
    const elapsedMs = this.readAt === undefined ? Number.POSITIVE_INFINITY : sentAt - this.readAt;
    this.readAt = sentAt;
    this.hasFailed = false;
    for (const record of records) {
      const before = this.members.get(record.nodeId);
      if (before !== undefined && before.record.incarnation > record.incarnation) continue;
      const isSameRun = before?.record.incarnation === record.incarnation;
      this.members.set(record.nodeId, {
        record,
        averageLoad: isSameRun
          ? smoothedLoad(before.averageLoad, record.load, elapsedMs, this.settings.smoothingMs)
          : record.load,
        listedAt: sentAt,
        absentSince: undefined,
      });
    }
    let vanished = 0;
    for (const [nodeId, member] of this.members) {
      if (member.listedAt === sentAt) continue;
      if (member.absentSince === undefined) {
        vanished += 1;
        this.members.set(nodeId, { ...member, absentSince: now });
      } else if (now - member.absentSince > FORGET_AFTER_MS) {
        this.members.delete(nodeId);
      }
    }
    this.absent = false;
    for (const { absentSince } of this.members.values()) {
      if (absentSince !== undefined && now - absentSince <= this.settings.storeReturnMs) this.absent = true;
    }
    if (isReturn || vanished >= 2) this.unsettledUntil = after(now, this.settings.storeReturnMs);
    return true;
  }

  failed(): void {
    this.hasFailed = true;
  }

  isUnsettled(now: Instant): boolean {
    return this.hasFailed || (this.unsettledUntil !== undefined && now < this.unsettledUntil);
  }

  /** Somebody's lease has gone, and not long ago. */
  get hasAbsent(): boolean {
    return this.absent;
  }

  get lastReadAt(): Instant | undefined {
    return this.readAt;
  }

  get(nodeId: NodeId): Member | undefined {
    return this.members.get(nodeId);
  }

  /** Also those whose lease is gone. */
  all(): Member[] {
    return [...this.members.values()];
  }

  /** Those with a lease at the last reading; this supernode itself only where its own lease was found. */
  listed(): Member[] {
    return this.all().filter((member) => member.absentSince === undefined);
  }

  others(): Member[] {
    return this.all().filter((member) => member.record.nodeId !== this.self);
  }
}

/** A lease that has been gone for so long is no matter of judgement any more. */
const FORGET_AFTER_MS = 60_000;
