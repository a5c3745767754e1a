import type { ConversationId } from '@parley/protocol';
import { MessageIndex } from './message-index.ts';
import {
  applyToWorkingState,
  emptyWorkingState,
  type HistoryQuery,
  type MessageStore,
  type StoreChange,
  type WorkingState,
} from './message-store.ts';
import type { MessageKey, StoredMessage } from './stored-message.ts';

/** Keeps everything in memory: for tests, and for identities that end with the process. */
export class MemoryMessageStore implements MessageStore {
  readonly #state = emptyWorkingState();
  readonly #messages = new MessageIndex<StoredMessage>();

  load(): Promise<WorkingState> {
    return Promise.resolve(structuredClone(this.#state));
  }

  commit(changes: readonly StoreChange[]): Promise<void> {
    for (const change of structuredClone(changes)) {
      if (change.table === 'messages') this.#messages.put(change.value, change.value);
      else applyToWorkingState(this.#state, change);
    }
    return Promise.resolve();
  }

  find(key: MessageKey): Promise<StoredMessage | undefined> {
    return Promise.resolve(structuredClone(this.#messages.get(key)?.place));
  }

  has(key: MessageKey): boolean {
    return this.#messages.has(key);
  }

  history(conversation: ConversationId, query: HistoryQuery): Promise<readonly StoredMessage[]> {
    return Promise.resolve(
      this.#messages.select(conversation, query).map(({ place }) => structuredClone(place)),
    );
  }

  inState(...states: readonly StoredMessage['state'][]): Promise<readonly StoredMessage[]> {
    const found = [...this.#messages.values()].filter(({ state }) => states.includes(state));
    return Promise.resolve(found.map(({ place }) => structuredClone(place)));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
