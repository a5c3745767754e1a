import { LIMITS, type MailboxItem } from '@parley/protocol';
import { fullJitter } from '../signalling/backoff.ts';
import type { Inbox } from './inbox.ts';
import type { MessageBook } from './message-book.ts';
import type { MessagesContext } from './messages-context.ts';
import { messageKey, type MessageKey } from './stored-message.ts';

/** Whether all that was sent to this device while it was away has been read: `gap` says that some had expired by then. */
export type CatchUp = 'pending' | 'complete' | 'gap';

const BACKOFF = { baseMs: 250, capMs: 30_000 };
/** More copies than this are read again instead of being kept until their turn. */
const MAX_ANNOUNCED = 512;
/** Acknowledgements of this time travel together. */
const ACKNOWLEDGE_DELAY_MS = 20;

/**
 * The device's mailbox at its supernode: reads it after every sign-in, follows what arrives, and takes out what the app has
 * acknowledged. What was read and not acknowledged stays there.
 */
export class Mailbox {
  readonly #context: MessagesContext;
  readonly #book: MessageBook;
  readonly #inbox: Inbox;
  readonly #caughtUp: (continuity: 'complete' | 'gap') => void;
  /** Every copy up to this cursor was looked at. */
  #position: number;
  /** Copies that must stay in the mailbox. */
  readonly #kept = new Set<number>();
  /** Cursors of messages that wait for the app. */
  readonly #byMessage = new Map<MessageKey, number[]>();
  readonly #acknowledgeable = new Set<number>();
  #state: CatchUp = 'pending';
  #reading: Promise<void> | undefined;
  /** Copies that arrived while others were taken in. */
  readonly #announced: MailboxItem[] = [];
  #isStale = false;
  #attempts = 0;
  #cancelRetry: (() => void) | undefined;
  #cancelAcknowledge: (() => void) | undefined;
  #isAcknowledging = false;
  #isClosed = false;

  constructor(
    context: MessagesContext,
    book: MessageBook,
    inbox: Inbox,
    caughtUp: (continuity: 'complete' | 'gap') => void,
  ) {
    this.#context = context;
    this.#book = book;
    this.#inbox = inbox;
    this.#caughtUp = caughtUp;
    this.#position = book.mailboxPosition;
  }

  get catchUp(): CatchUp {
    return this.#state;
  }

  /** After every sign-in and resume: events of the meantime are lost. */
  online(): void {
    this.#state = 'pending';
    this.#read();
    this.#cancelAcknowledge?.();
    this.#cancelAcknowledge = undefined;
    this.#acknowledgeSoon();
  }

  offline(): void {
    this.#state = 'pending';
    this.#announced.length = 0;
  }

  arrived(items: readonly MailboxItem[]): void {
    this.#announced.push(...items);
    if (this.#announced.length > MAX_ANNOUNCED) {
      this.#announced.length = 0;
      this.#isStale = true;
    }
    if (!this.#reading) this.#run();
  }

  /** The app has the message: its copies may leave the mailbox. */
  settle(key: MessageKey): void {
    for (const cursor of this.#byMessage.get(key) ?? []) this.#acknowledgeable.add(cursor);
    this.#byMessage.delete(key);
    this.#acknowledgeSoon();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#cancelAcknowledge?.();
  }

  #restart(): void {
    this.#position = 0;
    this.#kept.clear();
    this.#byMessage.clear();
    this.#acknowledgeable.clear();
    this.#book.noteMailboxPosition(0);
  }

  #read(): void {
    this.#isStale = true;
    if (!this.#reading) this.#run();
  }

  /** One reader at a time; what is asked for and what arrives meanwhile gets another round. */
  #run(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#reading = this.#followAll()
      .then(() => {
        this.#attempts = 0;
      })
      .catch(() => {
        this.#isStale = true;
        this.#retryLater();
      })
      .finally(() => {
        this.#reading = undefined;
        if (this.#hasWork() && !this.#cancelRetry) this.#run();
      });
  }

  #hasWork(): boolean {
    const isAsked = this.#isStale || this.#announced.length > 0;
    return isAsked && this.#context.isOnline() && !this.#isClosed;
  }

  async #followAll(): Promise<void> {
    while (this.#hasWork()) {
      if (!this.#isStale) {
        await this.#takeAnnounced();
        continue;
      }
      this.#isStale = false;
      await this.#readAll();
    }
  }

  /** Copies that follow what was looked at are taken as they came; of anything else the mailbox knows the order. */
  async #takeAnnounced(): Promise<void> {
    const items = this.#announced.splice(0);
    // A cursor that was passed, of a message never seen: the device was linked anew, and its mailbox begins at 1 again.
    const isReset = items.some(
      ({ cursor, from, messageId }) =>
        cursor <= this.#position &&
        !this.#kept.has(cursor) &&
        !this.#book.isKnown(messageKey(from.deviceId, messageId)),
    );
    if (isReset) this.#restart();
    const unseen = items.filter(({ cursor }) => cursor > this.#position);
    const isNext = unseen.every(({ cursor }, at) => cursor === this.#position + 1 + at);
    if (isReset || !isNext) this.#isStale = true;
    else if (unseen.length > 0) await this.#takeAll(unseen);
  }

  /** Lost connection, full disk, lists out of reach: nothing was acknowledged, all of it is still there. */
  #retryLater(): void {
    if (this.#isClosed) return;
    const wait = fullJitter(this.#attempts, this.#context.random, BACKOFF);
    this.#attempts += 1;
    this.#cancelRetry = this.#context.scheduler.after(wait, () => {
      this.#cancelRetry = undefined;
      if (this.#context.isOnline()) this.#read();
    });
  }

  async #readAll(): Promise<void> {
    let hasGap = false;
    for (;;) {
      const after = this.#position;
      const { items, hasMore, continuity, cursor } = await this.#context.request('mailbox.read', { after });
      if (cursor < after) {
        this.#restart();
        continue;
      }
      hasGap ||= continuity === 'gap';
      await this.#takeAll(items);
      this.#position = Math.max(this.#position, cursor);
      if (!hasMore || this.#position === after) break;
    }
    this.#notePosition();
    this.#state = hasGap ? 'gap' : 'complete';
    this.#caughtUp(this.#state);
  }

  async #takeAll(items: readonly MailboxItem[]): Promise<void> {
    const outcomes = await this.#inbox.take(items);
    for (const [at, { cursor, from, messageId }] of items.entries()) {
      const outcome = outcomes[at];
      this.#position = Math.max(this.#position, cursor);
      this.#kept.add(cursor);
      const key = messageKey(from.deviceId, messageId);
      if (outcome === 'settled' || (outcome === 'waiting' && !this.#inbox.isWaiting(key))) {
        this.#acknowledgeable.add(cursor);
      } else if (outcome === 'waiting') {
        const cursors = this.#byMessage.get(key) ?? [];
        if (!cursors.includes(cursor)) this.#byMessage.set(key, [...cursors, cursor]);
      }
    }
    this.#acknowledgeSoon();
  }

  #acknowledgeSoon(): void {
    if (this.#acknowledgeable.size === 0 || this.#cancelAcknowledge || this.#isClosed) return;
    this.#cancelAcknowledge = this.#context.scheduler.after(ACKNOWLEDGE_DELAY_MS, () => {
      this.#cancelAcknowledge = undefined;
      void this.#acknowledge();
    });
  }

  async #acknowledge(): Promise<void> {
    if (this.#isAcknowledging || !this.#context.isOnline()) return;
    this.#isAcknowledging = true;
    try {
      while (this.#acknowledgeable.size > 0 && !this.#isClosed) {
        const cursors = [...this.#acknowledgeable].slice(0, LIMITS.maxMailboxItems);
        await this.#context.request('mailbox.acknowledge', { cursors });
        for (const cursor of cursors) {
          this.#acknowledgeable.delete(cursor);
          this.#kept.delete(cursor);
        }
        this.#notePosition();
      }
    } catch {
      // Harmless: they come again, are known, and are acknowledged then.
      this.#context.drops.count('acknowledgement-not-delivered');
      this.#acknowledgeLater();
    } finally {
      this.#isAcknowledging = false;
    }
  }

  #acknowledgeLater(): void {
    if (this.#isClosed) return;
    this.#cancelAcknowledge ??= this.#context.scheduler.after(BACKOFF.capMs, () => {
      this.#cancelAcknowledge = undefined;
      void this.#acknowledge();
    });
  }

  /** A restart reads from below the oldest copy that has to stay. */
  #notePosition(): void {
    let oldest = this.#position + 1;
    for (const cursor of this.#kept) oldest = Math.min(oldest, cursor);
    this.#book.noteMailboxPosition(oldest - 1);
  }
}
