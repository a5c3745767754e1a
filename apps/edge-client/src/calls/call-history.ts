import { LIMITS, settledCallRecord, type CallRecord, type SessionId, type UserId } from '@parley/protocol';
import type { Signalling } from '../signalling/signalling.ts';

export interface CallHistoryOptions {
  /** Calls with this user only. */
  readonly peer?: UserId;
  /** The newest ones. @default all that the supernode keeps */
  readonly limit?: number;
}

/** The user's calls as the supernode has them: the same on all devices. */
export class CallHistory {
  readonly #signalling: Signalling;
  readonly #now: () => number;
  readonly #records = new Map<SessionId, CallRecord>();
  /** Everything up to here was read; what events bring does not count, as events may be missed. */
  #readUpTo = 0;
  #reading: Promise<void> | undefined;

  /** `now`: milliseconds since the epoch by the supernode's clock. `onRecord`: a call is new or has changed. */
  constructor(signalling: Signalling, now: () => number, onRecord: (record: CallRecord) => void) {
    this.#signalling = signalling;
    this.#now = now;
    signalling.onEvent('call.recorded', ({ record }) => {
      if (this.#take(record)) onRecord(record);
    });
  }

  /** Newest first. While the supernode is away: as far as it was read before. @throws EDGE_NOT_CONNECTED */
  async list({ peer, limit }: CallHistoryOptions = {}): Promise<readonly CallRecord[]> {
    if (this.#signalling.isOnline || this.#readUpTo === 0) await this.#read();
    const now = this.#now();
    return [...this.#records.values()]
      .filter((record) => peer === undefined || record.peer === peer)
      .sort((a, b) => b.startedAt - a.startedAt || b.cursor - a.cursor)
      .slice(0, limit)
      .map((record) => settledCallRecord(record, now));
  }

  /** One reading at a time serves all who ask meanwhile. */
  #read(): Promise<void> {
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    for (let hasMore = true; hasMore;) {
      const page = await this.#signalling.request('calls.history', { after: this.#readUpTo });
      for (const record of page.calls) {
        this.#take(record);
        this.#readUpTo = Math.max(this.#readUpTo, record.cursor);
      }
      // A page that brings nothing would be asked for again and again.
      hasMore = page.hasMore && page.calls.length > 0;
    }
  }

  /** False for what is known already, or older than that. */
  #take(record: CallRecord): boolean {
    const known = this.#records.get(record.sessionId);
    if (known && known.cursor >= record.cursor) return false;
    // The order of insertion stays that of the cursors: what leaves first is the oldest, as at the supernode.
    this.#records.delete(record.sessionId);
    this.#records.set(record.sessionId, record);
    const [oldest] = this.#records.keys();
    if (this.#records.size > LIMITS.maxCallRecordsPerUser && oldest) this.#records.delete(oldest);
    return true;
  }
}
