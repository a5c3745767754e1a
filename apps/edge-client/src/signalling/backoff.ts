/** Full jitter: after an outage, clients spread evenly over the whole window instead of returning in waves. */
export interface BackoffOptions {
  /** Window of the first retry, in milliseconds. @default 500 */
  readonly baseMs: number;
  /** Largest window, in milliseconds. @default 30 000 */
  readonly capMs: number;
}

export const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 500, capMs: 30_000 };

/** The wait before retry number `attempt` (from 0); `random` gives numbers in [0, 1). */
export function fullJitter(attempt: number, random: () => number, options: BackoffOptions): number {
  const window = Math.min(options.capMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return random() * window;
}
