import type { UserId } from '@parley/protocol';
import type { ReceiptRows } from './incoming-receipts.ts';
import type { FindMessage, MessageBook, WorkingChange } from './message-book.ts';
import type { EarlyReceipts, StoreChange } from './message-store.ts';
import { keyOfMessage, type MessageKey, type StoredMessage } from './stored-message.ts';

/** What one commit of the inbox holds: later copies of it see what earlier ones change. */
export class InboxRows implements ReceiptRows {
  readonly #book: MessageBook;
  readonly #find: FindMessage;
  readonly #messages = new Map<MessageKey, StoredMessage>();
  readonly #early = new Map<string, EarlyReceipts | undefined>();
  readonly #rows: WorkingChange[] = [];

  constructor(book: MessageBook, find: FindMessage) {
    this.#book = book;
    this.#find = find;
  }

  async find(key: MessageKey): Promise<StoredMessage | undefined> {
    return this.#messages.get(key) ?? (await this.#find(key));
  }

  put(message: StoredMessage): void {
    this.#messages.set(keyOfMessage(message), message);
  }

  early(key: string): EarlyReceipts | undefined {
    return this.#early.has(key) ? this.#early.get(key) : this.#book.earlyReceipts.get(key);
  }

  earlyCounts(peer: UserId): { readonly ofPeer: number; readonly ofAll: number } {
    const all = new Map<string, EarlyReceipts | undefined>([...this.#book.earlyReceipts, ...this.#early]);
    const kept = [...all.values()].filter((one) => one !== undefined);
    return { ofPeer: kept.filter((one) => one.peer === peer).length, ofAll: kept.length };
  }

  row(change: WorkingChange): void {
    this.#rows.push(change);
    if (change.table === 'earlyReceipts') this.#early.set(change.key, change.value ?? undefined);
  }

  /** Every message once, in its last value. */
  changes(): readonly StoreChange[] {
    const messages = [...this.#messages.values()];
    return [...messages.map((value) => ({ table: 'messages' as const, value })), ...this.#rows];
  }
}
