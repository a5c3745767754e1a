import { LIMITS, type CallRecord, type SessionId, type TenantId, type UserId } from '@parley/protocol';
import { userKey } from '../../identity/caller.ts';
import type { CallEntry, CallLog, CallPage } from '../call-log.port.ts';

interface Row {
  readonly entry: CallEntry;
  readonly cursor: number;
}

/** Histories in memory, for tests of what stands on them. */
export class MemoryCallLog implements CallLog {
  private readonly rows = new Map<string, Row[]>();
  /** Thrown instead of the next writes, oldest first. */
  readonly failures: unknown[] = [];

  save(entry: CallEntry): Promise<CallRecord | undefined> {
    if (this.failures.length > 0) {
      const failure: Error = this.failures.shift() as Error;
      return Promise.reject(failure);
    }
    const rows = this.rowsOf(entry.tenant, entry.userId);
    const known = rows.find((row) => row.entry.sessionId === entry.sessionId);
    if (known && (known.entry.outcome !== null || entry.outcome === null)) return Promise.resolve(undefined);
    const row = { entry, cursor: (rows.at(-1)?.cursor ?? 0) + 1 };
    const others = rows.filter((other) => other !== known);
    this.rows.set(userKey(entry.tenant, entry.userId), [...others, row].slice(-LIMITS.maxCallRecordsPerUser));
    return Promise.resolve(recordOf(row));
  }

  find(tenant: TenantId, userId: UserId, sessionId: SessionId): Promise<CallEntry | undefined> {
    const row = this.rowsOf(tenant, userId).find(({ entry }) => entry.sessionId === sessionId);
    return Promise.resolve(row?.entry);
  }

  page(tenant: TenantId, userId: UserId, after: number, limit: number, since = 0): Promise<CallPage> {
    const rows = this.rowsOf(tenant, userId).filter(
      ({ cursor, entry }) => cursor > after && entry.startedAt >= since,
    );
    return Promise.resolve({ calls: rows.slice(0, limit).map(recordOf), hasMore: rows.length > limit });
  }

  dropStartedBefore(time: number): Promise<number> {
    let dropped = 0;
    for (const [key, rows] of this.rows) {
      const kept = rows.filter((row) => row.entry.startedAt >= time || row === rows.at(-1));
      dropped += rows.length - kept.length;
      this.rows.set(key, kept);
    }
    return Promise.resolve(dropped);
  }

  private rowsOf(tenant: TenantId, userId: UserId): Row[] {
    return this.rows.get(userKey(tenant, userId)) ?? [];
  }
}

function recordOf({ entry, cursor }: Row): CallRecord {
  const { sessionId, peer, direction, media, startedAt, answeredAt, endedAt, outcome, answeredBy } = entry;
  return { cursor, sessionId, peer, direction, media, startedAt, answeredAt, endedAt, outcome, answeredBy };
}
