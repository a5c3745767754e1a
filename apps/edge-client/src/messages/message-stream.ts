import { deferred, type Deferred } from '../session/deferred.ts';
import type { ReceivedMessage } from './chat-message.ts';

interface Offered {
  readonly message: ReceivedMessage;
  readonly done: Deferred<undefined>;
}

/**
 * Messages for a `for await` loop: asking for the next one acknowledges the one before. A loop that is left in the middle of a
 * message does not acknowledge it.
 */
export class MessageStream implements AsyncIterableIterator<ReceivedMessage, undefined> {
  readonly #offered: Offered[] = [];
  readonly #stop: () => void;
  #current: Offered | undefined;
  #arrival: Deferred<undefined> | undefined;
  #isEnded = false;

  /** `subscribe` gets the handler and returns the way to take it off. */
  constructor(subscribe: (handler: (message: ReceivedMessage) => Promise<void>) => () => void) {
    this.#stop = subscribe((message) => this.#offer(message));
  }

  async next(): Promise<IteratorResult<ReceivedMessage, undefined>> {
    this.#current?.done.resolve(undefined);
    this.#current = undefined;
    while (!this.#isEnded) {
      this.#current = this.#offered.shift();
      if (this.#current) return { value: this.#current.message, done: false };
      this.#arrival ??= deferred();
      await this.#arrival.promise;
    }
    return { value: undefined, done: true };
  }

  return(): Promise<IteratorResult<ReceivedMessage, undefined>> {
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** No more messages; those that wait stay unacknowledged. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#stop();
    const left = new MessageStreamLeft();
    for (const { done } of this.#offered.splice(0)) done.reject(left);
    this.#current?.done.reject(left);
    this.#arrival?.resolve(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #offer(message: ReceivedMessage): Promise<void> {
    const offered = { message, done: deferred<undefined>() };
    this.#offered.push(offered);
    this.#arrival?.resolve(undefined);
    this.#arrival = undefined;
    return offered.done.promise;
  }
}

/** Says to the delivery, and to nobody else, that the loop was left before the message was acknowledged. */
export class MessageStreamLeft extends Error {
  override readonly name = 'MessageStreamLeft';
}
