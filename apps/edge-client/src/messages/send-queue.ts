import { LIMITS, type RequestOf, type ResponseOf } from '@parley/protocol';
import { asEdgeError, edgeError, errorFromWire, type EdgeClientError } from '../errors.ts';
import type { MessagesContext } from './messages-context.ts';

type SendRequest = RequestOf<'message.send'>;
type SendResponse = ResponseOf<'message.send'>;

interface Waiting {
  readonly request: SendRequest;
  readonly order: number;
  /** As JSON, which is ASCII: ids, numbers and base64url. */
  readonly bytes: number;
  readonly resolve: (response: SendResponse) => void;
  readonly reject: (error: EdgeClientError) => void;
}

/** What one request may hold, so that all of it stays below the limit of one socket.io message. */
export const MAX_REQUEST_BYTES = LIMITS.maxMessageBytes - 6 * 1024;
/** Requests under way at a supernode that takes one message each. */
const MAX_SINGLES = 16;
/** Where the supernode does not say how long to wait. */
const DEFAULT_PAUSE_MS = 250;

/**
 * Brings messages into mailboxes. What comes in one turn, or while a request is under way, travels together, in the order of
 * the outbox, with an outcome for each. A supernode that does not know such requests gets them one by one.
 */
export class SendQueue {
  readonly #context: Pick<MessagesContext, 'request' | 'scheduler'>;
  readonly #waiting: Waiting[] = [];
  #isBusy = false;
  #takesBatches = true;
  #cancelPause: (() => void) | undefined;
  #isClosed = false;

  constructor(context: Pick<MessagesContext, 'request' | 'scheduler'>) {
    this.#context = context;
  }

  /**
   * Resolves when the copies are committed. A spent request budget is waited for here, so that it changes no order.
   *
   * @param order - of what waits, the lowest leaves first
   * @throws EdgeClientError as `message.send` does
   */
  send(request: SendRequest, order: number): Promise<SendResponse> {
    return new Promise((resolve, reject) => {
      const bytes = JSON.stringify(request).length;
      this.#waiting.push({ request, order, bytes, resolve, reject });
      this.#pump();
    });
  }

  /** A new connection: with a request budget of its own, and perhaps to a newer supernode. */
  online(): void {
    this.#takesBatches = true;
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    this.#pump();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelPause?.();
    for (const { reject } of this.#waiting.splice(0)) reject(edgeError('EDGE_CLIENT_CLOSED'));
  }

  #pump(): void {
    if (this.#isBusy || this.#cancelPause || this.#isClosed || this.#waiting.length === 0) return;
    this.#isBusy = true;
    // What was sealed in this turn goes together: else one message would travel ahead of each group, and cost a commit.
    setImmediate(() => {
      void this.#run(this.#take()).finally(() => {
        this.#isBusy = false;
        this.#pump();
      });
    });
  }

  #take(): readonly Waiting[] {
    this.#waiting.sort((a, b) => a.order - b.order);
    const most = this.#takesBatches ? LIMITS.maxMessagesPerRequest : MAX_SINGLES;
    let bytes = 0;
    const end = this.#waiting.findIndex((entry, at) => {
      bytes += entry.bytes + 1;
      return at === most || (at > 0 && bytes > MAX_REQUEST_BYTES);
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  async #run(entries: readonly Waiting[]): Promise<void> {
    if (this.#takesBatches && entries.length > 1) await this.#sendTogether(entries);
    else await Promise.all(entries.map((entry) => this.#sendAlone(entry)));
  }

  async #sendAlone(entry: Waiting): Promise<void> {
    try {
      entry.resolve(await this.#context.request('message.send', entry.request));
    } catch (thrown) {
      this.#failed([entry], asEdgeError(thrown, 'EDGE_PROTOCOL_VIOLATION'));
    }
  }

  async #sendTogether(entries: readonly Waiting[]): Promise<void> {
    try {
      const messages = entries.map(({ request }) => request);
      const { outcomes } = await this.#context.request('message.send-batch', { messages });
      for (const [at, entry] of entries.entries()) {
        const outcome = outcomes[at];
        if (outcome?.ok) entry.resolve(outcome.data);
        else entry.reject(outcome ? errorFromWire(outcome.error) : edgeError('EDGE_PROTOCOL_VIOLATION'));
      }
    } catch (thrown) {
      const error = asEdgeError(thrown, 'EDGE_PROTOCOL_VIOLATION');
      if (error.code === 'UNKNOWN_EVENT' && !this.#isClosed) {
        this.#takesBatches = false;
        this.#waiting.push(...entries);
      } else this.#failed(entries, error);
    }
  }

  #failed(entries: readonly Waiting[], error: EdgeClientError): void {
    if (error.code !== 'RATE_LIMITED' || this.#isClosed) {
      for (const { reject } of entries) reject(error);
      return;
    }
    this.#waiting.push(...entries);
    this.#cancelPause ??= this.#context.scheduler.after(error.retryAfterMs ?? DEFAULT_PAUSE_MS, () => {
      this.#cancelPause = undefined;
      this.#pump();
    });
  }
}
