import type { RequestInputOf, SessionId } from '@parley/protocol';
import { EdgeClientError } from '../errors.ts';
import type { Signalling } from '../signalling/signalling.ts';

type EndCause = RequestInputOf<'call.end'>['cause'];

interface EndingDrops {
  count(reason: 'ending-not-told'): void;
}

/** Ends that wait for the supernode to come back; more calls than these nobody ended meanwhile. */
const MAX_WAITING = 64;

/** Tells the supernode how answered calls ended, later when it is away: calls go on without it, history needs to know. */
export class CallEndings {
  readonly #signalling: Pick<Signalling, 'request' | 'isOnline'>;
  readonly #drops: EndingDrops;
  readonly #waiting = new Map<SessionId, EndCause>();

  constructor(signalling: Pick<Signalling, 'request' | 'isOnline'>, drops: EndingDrops) {
    this.#signalling = signalling;
    this.#drops = drops;
  }

  /** Resolves when it was told or waits to be. */
  async tell(sessionId: SessionId, cause: EndCause): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING) {
      this.#drops.count('ending-not-told');
      return;
    }
    this.#waiting.set(sessionId, cause);
    await this.flush();
  }

  /** Called when the client is online. */
  async flush(): Promise<void> {
    if (!this.#signalling.isOnline) return;
    await Promise.all([...this.#waiting].map(([sessionId, cause]) => this.#send(sessionId, cause)));
  }

  async #send(sessionId: SessionId, cause: EndCause): Promise<void> {
    try {
      await this.#signalling.request('call.end', { sessionId, cause });
      this.#waiting.delete(sessionId);
    } catch (thrown) {
      if (!(thrown instanceof EdgeClientError)) throw thrown;
      if (thrown.retryable) return;
      this.#waiting.delete(sessionId);
      // SESSION_UNKNOWN: the other side was first.
      if (thrown.code !== 'SESSION_UNKNOWN') this.#drops.count('ending-not-told');
    }
  }
}
