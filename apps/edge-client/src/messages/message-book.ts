import type { ConversationId, MessageId } from '@parley/protocol';
import {
  applyToWorkingState,
  dueReceiptKey,
  emptyWorkingState,
  type DueReceipt,
  type EarlyReceipts,
  type HistoryQuery,
  type MessageStore,
  type OutboxEntry,
  type StoreChange,
} from './message-store.ts';
import { keyOfMessage, type MessageKey, type StoredMessage } from './stored-message.ts';

/** How far one message may advance a conversation's clock: a peer that jumps cannot use the numbers up. */
const MAX_CLOCK_STEP = 2 ** 32;

/** A change of anything but a message. */
export type WorkingChange = Exclude<StoreChange, { table: 'messages' }>;

/** Finds a message in its newest value. */
export type FindMessage = (key: MessageKey) => Promise<StoredMessage | undefined>;

/** What a {@link MessageBook.transact} commits, and what it tells its caller once that is done. */
export interface Transaction<Result> {
  readonly changes: readonly StoreChange[];
  readonly result: Result;
}

/** What this device knows of its messages: the store, the working rows in memory, and changes that do not overtake each other. */
export class MessageBook {
  readonly #store: MessageStore;
  readonly #state: ReturnType<typeof emptyWorkingState>;
  /** Values on their way to the store, which the next change of the same message has to build on. */
  readonly #uncommitted = new Map<MessageKey, StoredMessage>();
  /** Rows that need no commit of their own. */
  readonly #lazy = new Map<string, WorkingChange>();
  #reading: Promise<unknown> = Promise.resolve();

  private constructor(store: MessageStore, state: ReturnType<typeof emptyWorkingState>) {
    this.#store = store;
    this.#state = state;
  }

  /** @throws EDGE_MESSAGES_CORRUPTED, EDGE_MESSAGES_NEWER, EDGE_MESSAGES_UNUSABLE */
  static async open(store: MessageStore): Promise<MessageBook> {
    const { outbox, dueReceipts, earlyReceipts, seen, clocks, positions } = await store.load();
    return new MessageBook(store, {
      outbox: new Map(outbox),
      dueReceipts: new Map(dueReceipts),
      earlyReceipts: new Map(earlyReceipts),
      seen: new Map(seen),
      clocks: new Map(clocks),
      positions: new Map(positions),
    });
  }

  /** Oldest first. */
  get outbox(): readonly OutboxEntry[] {
    return [...this.#state.outbox.values()];
  }

  get dueReceipts(): readonly DueReceipt[] {
    return [...this.#state.dueReceipts.values()];
  }

  get earlyReceipts(): ReadonlyMap<string, EarlyReceipts> {
    return this.#state.earlyReceipts;
  }

  get mailboxPosition(): number {
    return this.#state.positions.get(MAILBOX) ?? 0;
  }

  /** Whether this message was taken before. */
  isKnown(key: MessageKey): boolean {
    return this.#store.has(key) || this.#uncommitted.has(key) || this.#state.seen.has(key);
  }

  /** The clock of the next message of ours. Never given twice while this process lives; committed with the message. */
  nextClock(conversation: ConversationId): number {
    const clock = (this.#state.clocks.get(conversation) ?? 0) + 1;
    this.#state.clocks.set(conversation, clock);
    return clock;
  }

  /** What a received clock does to ours; undefined when it is behind. */
  advanceClock(conversation: ConversationId, received: number): WorkingChange | undefined {
    const own = this.#state.clocks.get(conversation) ?? 0;
    const value = Math.min(received, own + MAX_CLOCK_STEP);
    if (value <= own) return undefined;
    this.#state.clocks.set(conversation, value);
    return { table: 'clocks', key: conversation, value };
  }

  /** The own clock as it is to be committed. */
  clockRow(conversation: ConversationId): WorkingChange {
    return { table: 'clocks', key: conversation, value: this.#state.clocks.get(conversation) ?? 0 };
  }

  /** The mailbox is read on from here after a restart; an older value only means that copies are looked at again. */
  noteMailboxPosition(value: number): void {
    if (value === this.mailboxPosition) return;
    this.#state.positions.set(MAILBOX, value);
    this.#lazy.set(MAILBOX, { table: 'positions', key: MAILBOX, value });
  }

  /** Forgets what is too old to be taken again anyway. */
  async forgetOld(now: number): Promise<void> {
    const seen = [...this.#state.seen].filter(([, until]) => until < now);
    const early = [...this.#state.earlyReceipts].filter(([, { until }]) => until < now);
    await this.commit([
      ...seen.map(([key]) => ({ table: 'seen' as const, key, value: null })),
      ...early.map(([key]) => ({ table: 'earlyReceipts' as const, key, value: null })),
    ]);
  }

  /** New messages and rows. Messages that are there already are changed by {@link change}. */
  async commit(changes: readonly StoreChange[]): Promise<void> {
    if (changes.length === 0) return;
    const lazy = [...this.#lazy.values()];
    this.#lazy.clear();
    for (const change of changes) {
      if (change.table === 'messages') this.#uncommitted.set(keyOfMessage(change.value), change.value);
    }
    try {
      await this.#store.commit([...changes, ...lazy]);
      // Only now: a row in memory stands for one on the disk.
      for (const change of changes) if (change.table !== 'messages') this.#apply(change);
    } finally {
      for (const change of changes) {
        if (change.table !== 'messages') continue;
        const key = keyOfMessage(change.value);
        if (this.#uncommitted.get(key) === change.value) this.#uncommitted.delete(key);
      }
    }
  }

  /** Changes messages, each from its newest value (undefined: leave it), together with rows. Returns the changed ones. */
  async change(
    keys: readonly MessageKey[],
    edit: (message: StoredMessage) => StoredMessage | undefined,
    rows: readonly WorkingChange[] = [],
  ): Promise<readonly StoredMessage[]> {
    return this.transact(async (find) => {
      const changed: StoredMessage[] = [];
      for (const key of keys) {
        const message = await find(key);
        const next = message && edit(message);
        if (next) changed.push(next);
      }
      const changes = changed.map((value) => ({ table: 'messages' as const, value }));
      return { changes: [...changes, ...rows], result: changed };
    });
  }

  /** Commits what `work` makes of the newest values; no other change of a message comes between. */
  async transact<Result>(work: (find: FindMessage) => Promise<Transaction<Result>>): Promise<Result> {
    const reading = this.#reading.then(async () => {
      const { changes, result } = await work(
        async (key) => this.#uncommitted.get(key) ?? (await this.#store.find(key)),
      );
      // The commit begins in this turn, so that the next change finds these values.
      const commit = this.commit(changes);
      commit.catch(() => undefined); // awaited below, outside of the queue
      return { result, commit };
    });
    this.#reading = reading.catch(() => undefined); // the failure belongs to this call
    const { result, commit } = await reading;
    await commit;
    return result;
  }

  find(key: MessageKey): Promise<StoredMessage | undefined> {
    return this.#store.find(key);
  }

  history(conversation: ConversationId, query: HistoryQuery): Promise<readonly StoredMessage[]> {
    return this.#store.history(conversation, query);
  }

  inState(...states: readonly StoredMessage['state'][]): Promise<readonly StoredMessage[]> {
    return this.#store.inState(...states);
  }

  async close(): Promise<void> {
    await this.#reading;
    const lazy = [...this.#lazy.values()];
    // Best effort: without it the mailbox is read again from further back.
    if (lazy.length > 0) await this.#store.commit(lazy).catch(() => undefined);
    await this.#store.close();
  }

  #apply(change: WorkingChange): void {
    // Clocks and positions are ahead in memory already, and must not fall back.
    if (change.table !== 'clocks' && change.table !== 'positions') applyToWorkingState(this.#state, change);
  }
}

const MAILBOX = 'mailbox';

export function outboxRow(entry: OutboxEntry): WorkingChange {
  return { table: 'outbox', key: entry.messageId, value: entry };
}

export function outboxDone(messageId: MessageId): WorkingChange {
  return { table: 'outbox', key: messageId, value: null };
}

export function dueReceiptRow(due: DueReceipt): WorkingChange {
  return { table: 'dueReceipts', key: dueReceiptKey(due), value: due };
}

export function dueReceiptDone(due: DueReceipt): WorkingChange {
  return { table: 'dueReceipts', key: dueReceiptKey(due), value: null };
}
