import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../processes/until.ts';
import { RefusedError } from '../mailbox/bare-connection.ts';
import type { StormUser } from './storm-user.ts';

const ONLINE_DEADLINE_MS = 60_000;
const RETRY_MS = 200;
const MAX_TRIES = 20;

/** Does something that needs the user online, again where its connection broke meanwhile or a supernode was busy. */
export function patiently(user: StormUser, act: (user: StormUser) => Promise<void>): Promise<void> {
  return retried(async () => {
    await until('a sign-in', () => user.isOnline || undefined, ONLINE_DEADLINE_MS);
    await act(user);
  });
}

/** Again after what the supernode asks for, as often as it is refused for now. */
export async function retried(act: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await act();
      return;
    } catch (thrown) {
      const mayRetry = thrown instanceof RefusedError && (thrown.wire?.retryable ?? true);
      if (!mayRetry || tries === MAX_TRIES) throw thrown;
      await delay(thrown.retryAfterMs + RETRY_MS);
    }
  }
}
