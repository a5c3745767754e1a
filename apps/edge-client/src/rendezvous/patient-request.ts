import { setTimeout as delay } from 'node:timers/promises';
import type { ClientClock } from '../client/client-clock.ts';
import { edgeError, EdgeClientError, type ErrorCode } from '../errors.ts';

export interface PatienceOptions {
  readonly clock: ClientClock;
  /** No question after this time. @default 5000 */
  readonly forMs?: number;
  /** Whether the question makes sense still, asked before each repetition. @default always */
  readonly isWanted?: () => boolean;
  /** Ask again also where nobody knows whether the supernode has served it: for what may be served twice. @default false */
  readonly isRepeatable?: boolean;
}

const DEFAULT_PATIENCE_MS = 5000;
/** Where the supernode does not say when: long enough to reconnect, short enough for somebody who waits. */
const RETRY_MS = 250;

const LOST: ReadonlySet<ErrorCode> = new Set([
  'EDGE_CONNECTION_LOST',
  'EDGE_NOT_CONNECTED',
  'EDGE_REQUEST_TIMEOUT',
]);

/** Whether the supernode may never have seen a request that failed like this. */
export function isLost(thrown: unknown): boolean {
  return thrown instanceof EdgeClientError && (thrown.code === 'RATE_LIMITED' || LOST.has(thrown.code));
}

/**
 * Asks until it is served: what a person decided must not come to nothing because the budget of the connection was spent a
 * moment ago. A request over the budget is refused before anybody looks at it, so that it is never served twice.
 */
export async function askPatiently<Answer>(
  ask: () => Promise<Answer>,
  { clock, forMs = DEFAULT_PATIENCE_MS, isWanted = () => true, isRepeatable = false }: PatienceOptions,
): Promise<Answer> {
  const until = clock.monotonic() + forMs;
  for (;;) {
    let waitMs: number;
    try {
      return await ask();
    } catch (thrown) {
      if (!(thrown instanceof EdgeClientError)) throw thrown;
      const mayAsk = thrown.code === 'RATE_LIMITED' || (isRepeatable && LOST.has(thrown.code));
      waitMs = thrown.retryAfterMs ?? RETRY_MS;
      if (!mayAsk || clock.monotonic() + waitMs > until || !isWanted()) throw thrown;
    }
    await delay(waitMs);
    if (!isWanted()) throw edgeError('EDGE_ABORTED');
  }
}
