import type { Instant } from '@parley/nat';

/** Since when conditions hold without a break: a decision waits until one did for long enough. */
export class HeldConditions {
  private readonly since = new Map<string, Instant>();

  /** Notes whether the condition holds at `now`; milliseconds since it began to, or undefined while it does not. */
  note(key: string, holds: boolean, now: Instant): number | undefined {
    if (!holds) {
      this.since.delete(key);
      return undefined;
    }
    const since = this.since.get(key);
    if (since === undefined) this.since.set(key, now);
    return now - (since ?? now);
  }

  /** Forgets the conditions of what is gone. */
  retain(isKept: (key: string) => boolean): void {
    for (const key of this.since.keys()) if (!isKept(key)) this.since.delete(key);
  }
}

/** At or above the threshold both now and on average, so that neither a peak nor a memory of one suffices. */
export function isAbove(raw: number, average: number, threshold: number): boolean {
  return Math.min(raw, average) >= threshold;
}

/** Below the threshold both now and on average. */
export function isBelow(raw: number, average: number, threshold: number): boolean {
  return Math.max(raw, average) < threshold;
}
