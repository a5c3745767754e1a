import { setTimeout as delay } from 'node:timers/promises';

const INTERVAL_MS = 20;

export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/** Looks until there is something. @throws DeadlineError when there is nothing in time */
export async function until<Found>(
  what: string,
  look: () => Found | undefined,
  deadlineMs = 15_000,
): Promise<Found> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new DeadlineError(`${what}: not within ${deadlineMs} ms`);
    await delay(INTERVAL_MS);
  }
}
