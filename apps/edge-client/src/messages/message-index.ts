import type { ConversationId } from '@parley/protocol';
import type { HistoryQuery } from './message-store.ts';
import {
  compareOrder,
  keyOfMessage,
  orderKeyOf,
  type MessageKey,
  type OrderKey,
  type StoredMessage,
} from './stored-message.ts';

/** Where a message is, and what orders and selects it; the message itself stays where it is. */
export interface IndexedMessage<Place> {
  readonly key: MessageKey;
  readonly conversation: ConversationId;
  readonly order: OrderKey;
  readonly state: StoredMessage['state'];
  readonly place: Place;
}

/** Messages by key and, per conversation, in their order. */
export class MessageIndex<Place> {
  readonly #byKey = new Map<MessageKey, IndexedMessage<Place>>();
  readonly #conversations = new Map<ConversationId, IndexedMessage<Place>[]>();

  get size(): number {
    return this.#byKey.size;
  }

  get(key: MessageKey): IndexedMessage<Place> | undefined {
    return this.#byKey.get(key);
  }

  has(key: MessageKey): boolean {
    return this.#byKey.has(key);
  }

  values(): IterableIterator<IndexedMessage<Place>> {
    return this.#byKey.values();
  }

  /** Returns what was there under the same key. */
  put(message: StoredMessage, place: Place): IndexedMessage<Place> | undefined {
    const key = keyOfMessage(message);
    const { conversation, state } = message;
    const entry = { key, conversation, order: orderKeyOf(message), state, place };
    const before = this.#byKey.get(key);
    this.#byKey.set(key, entry);
    const entries = this.#conversations.get(conversation) ?? [];
    this.#conversations.set(conversation, entries);
    const at = lowerBound(entries, entry.order);
    entries.splice(at, before ? 1 : 0, entry);
    return before;
  }

  /** The newest that fit, oldest of them first. */
  select(
    conversation: ConversationId,
    { before, limit, where }: HistoryQuery,
  ): readonly IndexedMessage<Place>[] {
    const entries = this.#conversations.get(conversation) ?? [];
    const found: IndexedMessage<Place>[] = [];
    const end = before ? lowerBound(entries, before) : entries.length;
    for (let at = end - 1; at >= 0 && found.length < limit; at -= 1) {
      const entry = entries[at];
      if (entry && (!where || where(entry.state))) found.push(entry);
    }
    return found.reverse();
  }
}

function lowerBound(entries: readonly { readonly order: OrderKey }[], order: OrderKey): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry && compareOrder(entry.order, order) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
