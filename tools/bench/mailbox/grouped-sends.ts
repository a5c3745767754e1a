import { LIMITS, type RequestOf } from '@parley/protocol';
import { RefusedError, type BareConnection } from './bare-connection.ts';

interface Waiting {
  readonly request: RequestOf<'message.send'>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Sends of one connection as the SDK groups them: what comes while a request is under way travels together. */
export class GroupedSends {
  readonly #connection: BareConnection;
  readonly #waiting: Waiting[] = [];
  #isBusy = false;

  constructor(connection: BareConnection) {
    this.#connection = connection;
  }

  /** @throws RefusedError */
  send(request: RequestOf<'message.send'>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      void this.#sendAll();
    });
  }

  async #sendAll(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#waiting.length > 0) {
      // What is said in one turn goes together, as in the SDK.
      await new Promise((resolve) => setImmediate(resolve));
      await this.#sendGroup(this.#waiting.splice(0, LIMITS.maxMessagesPerRequest));
    }
    this.#isBusy = false;
  }

  async #sendGroup(group: readonly Waiting[]): Promise<void> {
    try {
      const [first, ...others] = group;
      if (first && others.length === 0) {
        await this.#connection.request('message.send', first.request);
        first.resolve();
        return;
      }
      const messages = group.map(({ request }) => request);
      const { outcomes } = await this.#connection.request('message.send-batch', { messages });
      for (const [at, { resolve, reject }] of group.entries()) {
        const outcome = outcomes[at];
        if (outcome?.ok) resolve();
        else reject(new RefusedError(outcome?.error.code ?? 'CLOSED', outcome?.error));
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
