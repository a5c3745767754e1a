/** What a watcher is to a user: with the same home, or with another. */
export type Place = 'same' | 'other';

interface Publisher {
  readonly watchers: number;
  /** When each update was due. */
  readonly dueAt: number[];
  /** By watcher: the number of the newest update that it saw. */
  readonly seen: Map<string, number>;
  /** Deliveries of all updates that have not come yet. */
  missing: number;
  onSeenByAll: () => void;
}

/**
 * Which updates of which users reached which watchers, and when. A watcher that sees a later update has learnt what an earlier one
 * says: the product tells changes in quick succession as one. Times are milliseconds of one clock.
 */
export class UpdateLedger {
  readonly #publishers = new Map<string, Publisher>();
  readonly #latenciesMs: Record<Place, number[]> = { same: [], other: [] };

  publisher(userId: string, watchers: number): void {
    this.#publishers.set(userId, {
      watchers,
      dueAt: [],
      seen: new Map(),
      missing: 0,
      onSeenByAll: () => undefined,
    });
  }

  /** A user is about to change its presence; the number of the update, from 1 on. */
  begin(userId: string, dueAt: number): number {
    const publisher = this.#of(userId);
    publisher.missing += publisher.watchers;
    return publisher.dueAt.push(dueAt);
  }

  /** A watcher sees update `number` of a user. */
  saw(userId: string, watcher: string, place: Place, number: number, now: number): void {
    const publisher = this.#publishers.get(userId);
    if (!publisher) return;
    const from = publisher.seen.get(watcher) ?? 0;
    if (number <= from) return;
    publisher.seen.set(watcher, number);
    for (const dueAt of publisher.dueAt.slice(from, number)) {
      publisher.missing -= 1;
      this.#latenciesMs[place].push(now - dueAt);
    }
    if (publisher.missing === 0) publisher.onSeenByAll();
  }

  /** Resolves when every watcher of the user has seen its newest update; perhaps never. */
  seenByAll(userId: string): Promise<void> {
    const publisher = this.#of(userId);
    if (publisher.missing === 0) return Promise.resolve();
    return new Promise((resolve) => (publisher.onSeenByAll = resolve));
  }

  /** Deliveries that have not come yet. */
  get missing(): number {
    return [...this.#publishers.values()].reduce((sum, { missing }) => sum + missing, 0);
  }

  /** What came since the last time, and forgets it. */
  takeLatencies(): Readonly<Record<Place, readonly number[]>> {
    const { same, other } = this.#latenciesMs;
    return { same: same.splice(0), other: other.splice(0) };
  }

  #of(userId: string): Publisher {
    const publisher = this.#publishers.get(userId);
    if (!publisher) throw new TypeError('there is no such publisher');
    return publisher;
  }
}
