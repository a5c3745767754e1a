import { LIMITS, type UserId } from '@parley/protocol';
import { dueReceiptDone, outboxRow, type MessageBook } from './message-book.ts';
import { conversationIdOf } from './message-sealing.ts';
import type { DueReceipt, OutboxEntry } from './message-store.ts';
import type { MessagesContext } from './messages-context.ts';

/** Receipts of this time travel together. */
const BATCH_DELAY_MS = 100;
const RETRY_DELAY_MS = 10_000;

/**
 * Turns what is due into messages, many to one. Nothing leaves while this user is invisible: a receipt would say that the
 * device is there. It leaves later, as it would from a device that comes back.
 */
export class Receipts {
  readonly #context: MessagesContext;
  readonly #book: MessageBook;
  readonly #send: (entry: OutboxEntry) => void;
  #cancelFlush: (() => void) | undefined;
  #hasContacts = false;
  #isFlushing = false;
  #isClosed = false;

  constructor(context: MessagesContext, book: MessageBook, send: (entry: OutboxEntry) => void) {
    this.#context = context;
    this.#book = book;
    this.#send = send;
  }

  /** The contact list is there, from now on: it says whom we may tell. */
  begin(): void {
    this.#hasContacts = true;
    this.flushSoon();
  }

  flushSoon(): void {
    this.#flushAfter(BATCH_DELAY_MS);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelFlush?.();
  }

  #flushAfter(ms: number): void {
    if (this.#cancelFlush || this.#isClosed) return;
    this.#cancelFlush = this.#context.scheduler.after(ms, () => {
      this.#cancelFlush = undefined;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    if (!this.#hasContacts || this.#context.isInvisible()) return;
    if (this.#isFlushing) {
      // What became due after the running flush had begun.
      this.flushSoon();
      return;
    }
    this.#isFlushing = true;
    // All at once, so that they share a commit.
    const outcomes = await Promise.allSettled(
      groupsOf(this.#book.dueReceipts).map((group) => this.#sendGroup(group)),
    );
    this.#isFlushing = false;
    // The store refused; what is due stays due.
    if (outcomes.some(({ status }) => status === 'rejected')) this.#flushAfter(RETRY_DELAY_MS);
  }

  async #sendGroup(group: readonly [DueReceipt, ...DueReceipt[]]): Promise<void> {
    const [{ peer, receipt }] = group;
    const done = group.map(dueReceiptDone);
    if (this.#context.contactState(peer) !== 'accepted') {
      this.#context.drops.count('receipt-to-a-stranger');
      await this.#book.commit(done);
      return;
    }
    const { tenant, self, newId, now } = this.#context;
    const conversation = conversationIdOf(tenant, self().userId, peer);
    const entry: OutboxEntry = {
      conversation,
      messageId: newId(),
      peer,
      sentAt: now(),
      clock: this.#book.nextClock(conversation),
      content: { kind: 'receipt', receipt, messageIds: group.map(({ messageId }) => messageId) },
    };
    await this.#book.commit([outboxRow(entry), this.#book.clockRow(conversation), ...done]);
    this.#send(entry);
  }
}

/** One group per user and kind of receipt, of no more than one message holds. */
function groupsOf(due: readonly DueReceipt[]): [DueReceipt, ...DueReceipt[]][] {
  const groups: [DueReceipt, ...DueReceipt[]][] = [];
  const open = new Map<`${UserId} ${DueReceipt['receipt']}`, DueReceipt[]>();
  for (const one of due) {
    const key = `${one.peer} ${one.receipt}` as const;
    const group = open.get(key);
    if (group && group.length < LIMITS.maxReceiptsPerMessage) group.push(one);
    else {
      const fresh: [DueReceipt, ...DueReceipt[]] = [one];
      groups.push(fresh);
      open.set(key, fresh);
    }
  }
  return groups;
}
