import type { ConversationId } from '@parley/protocol';
import { fullJitter } from '../signalling/backoff.ts';
import type { MessagesContext } from './messages-context.ts';
import {
  compareOrder,
  keyOfMessage,
  orderKeyOf,
  type MessageKey,
  type StoredMessage,
} from './stored-message.ts';

interface Waiting {
  readonly message: StoredMessage;
  /** It was handed out before: in this run of the app, or perhaps in an earlier one. */
  isRedelivery: boolean;
}

interface Line {
  readonly waiting: Waiting[];
  isRunning: boolean;
  /** Acknowledged by the app, and not committed yet. */
  unconfirmed: number;
  attempts: number;
  cancelRetry: (() => void) | undefined;
}

export type MessageHandler = (message: StoredMessage, isRedelivery: boolean) => unknown;

const BACKOFF = { baseMs: 1000, capMs: 60_000 };
/** As many a crash may hand out once more than the app has acknowledged, per conversation. */
const MAX_UNCONFIRMED = 32;

/**
 * Hands messages to the app, one at a time per conversation. The promise of the app's handler is its acknowledgement: while
 * it is open the next message waits, and when it rejects the same one is handed out again later. The next one does not wait
 * until that is committed, so that acknowledgements share commits.
 */
export class Delivery {
  readonly #context: Pick<MessagesContext, 'scheduler' | 'random'>;
  readonly #acknowledge: (message: StoredMessage) => Promise<void>;
  readonly #acknowledged: (key: MessageKey) => void;
  readonly #failed: (message: StoredMessage, thrown: unknown) => void;
  readonly #handlers = new Set<MessageHandler>();
  readonly #lines = new Map<ConversationId, Line>();
  /** Acknowledgements that the store refused. */
  readonly #retries = new Set<() => void>();
  #isClosed = false;

  constructor(
    context: Pick<MessagesContext, 'scheduler' | 'random'>,
    events: {
      /** Makes the acknowledgement durable. */
      readonly acknowledge: (message: StoredMessage) => Promise<void>;
      readonly acknowledged: (key: MessageKey) => void;
      readonly failed: (message: StoredMessage, thrown: unknown) => void;
    },
  ) {
    this.#context = context;
    this.#acknowledge = events.acknowledge;
    this.#acknowledged = events.acknowledged;
    this.#failed = events.failed;
  }

  /** All handlers together acknowledge; without one, messages wait. Returns the function that takes it off again. */
  handle(handler: MessageHandler): () => void {
    this.#handlers.add(handler);
    for (const [conversation, line] of this.#lines) {
      // Whatever failed before, this one has not seen it.
      line.cancelRetry?.();
      line.cancelRetry = undefined;
      this.#run(conversation);
    }
    return () => this.#handlers.delete(handler);
  }

  /** Messages that an earlier run of the app may have got. */
  restore(messages: readonly StoredMessage[]): void {
    const ordered = [...messages].sort((a, b) => compareOrder(orderKeyOf(a), orderKeyOf(b)));
    for (const message of ordered) this.#enqueue(message, true);
  }

  add(message: StoredMessage): void {
    this.#enqueue(message, false);
  }

  close(): void {
    this.#isClosed = true;
    for (const { cancelRetry } of this.#lines.values()) cancelRetry?.();
    for (const cancel of this.#retries) cancel();
  }

  #enqueue(message: StoredMessage, isRedelivery: boolean): void {
    const { conversation } = message;
    const line = this.#lines.get(conversation) ?? {
      waiting: [],
      isRunning: false,
      unconfirmed: 0,
      attempts: 0,
      cancelRetry: undefined,
    };
    this.#lines.set(conversation, line);
    line.waiting.push({ message, isRedelivery });
    this.#run(conversation);
  }

  #run(conversation: ConversationId): void {
    const line = this.#lines.get(conversation);
    if (!line || line.isRunning || line.cancelRetry || this.#handlers.size === 0) return;
    line.isRunning = true;
    void this.#deliverAll(conversation, line);
  }

  async #deliverAll(conversation: ConversationId, line: Line): Promise<void> {
    for (let next = line.waiting[0]; next; next = line.waiting[0]) {
      if (this.#isClosed || this.#handlers.size === 0 || line.unconfirmed >= MAX_UNCONFIRMED) break;
      if (!(await this.#deliver(next))) {
        this.#retryLater(conversation, line);
        break;
      }
      line.attempts = 0;
      line.waiting.shift();
      line.unconfirmed += 1;
      void this.#confirm(conversation, line, next.message, 0);
    }
    line.isRunning = false;
    this.#forgetIdle(conversation, line);
  }

  async #deliver(next: Waiting): Promise<boolean> {
    const { message, isRedelivery } = next;
    next.isRedelivery = true;
    try {
      await Promise.all(
        [...this.#handlers].map((handler) => Promise.resolve().then(() => handler(message, isRedelivery))),
      );
      return !this.#isClosed;
    } catch (thrown) {
      if (!this.#isClosed) this.#failed(message, thrown);
      return false;
    }
  }

  /** Until the store takes it; the app is not asked again. */
  async #confirm(
    conversation: ConversationId,
    line: Line,
    message: StoredMessage,
    attempts: number,
  ): Promise<void> {
    try {
      await this.#acknowledge(message);
    } catch (thrown) {
      if (this.#isClosed) return;
      this.#failed(message, thrown);
      const wait = fullJitter(attempts, this.#context.random, BACKOFF);
      const cancel = this.#context.scheduler.after(wait, () => {
        this.#retries.delete(cancel);
        void this.#confirm(conversation, line, message, attempts + 1);
      });
      this.#retries.add(cancel);
      return;
    }
    this.#acknowledged(keyOfMessage(message));
    line.unconfirmed -= 1;
    this.#run(conversation);
    this.#forgetIdle(conversation, line);
  }

  #forgetIdle(conversation: ConversationId, line: Line): void {
    if (line.waiting.length === 0 && line.unconfirmed === 0 && !line.isRunning)
      this.#lines.delete(conversation);
  }

  #retryLater(conversation: ConversationId, line: Line): void {
    if (this.#isClosed) return;
    const wait = fullJitter(line.attempts, this.#context.random, BACKOFF);
    line.attempts += 1;
    line.cancelRetry = this.#context.scheduler.after(wait, () => {
      line.cancelRetry = undefined;
      this.#run(conversation);
    });
  }
}
