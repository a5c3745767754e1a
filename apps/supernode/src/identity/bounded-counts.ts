/**
 * Events per key in a sliding pair of windows, for budgets of unauthenticated traffic. It remembers `maxKeys` keys at
 * most; beyond that the oldest is forgotten, which is in its favour and never costs memory.
 */
export class BoundedCounts {
  private readonly counts = new Map<string, { window: number; now: number; before: number }>();

  constructor(
    private readonly windowMs: number,
    private readonly maxKeys: number,
  ) {}

  /** Counts one event and returns the estimate for the last window, this one included. `now` is monotonic. */
  add(key: string, now: number): number {
    const window = Math.floor(now / this.windowMs);
    const count = this.counts.get(key) ?? { window, now: 0, before: 0 };
    if (count.window !== window) {
      count.before = count.window === window - 1 ? count.now : 0;
      count.now = 0;
      count.window = window;
    }
    count.now += 1;
    this.counts.delete(key);
    this.counts.set(key, count);
    this.forgetOldest();
    return this.estimate(key, now);
  }

  /** The estimate for the last window, without a new event. */
  estimate(key: string, now: number): number {
    const count = this.counts.get(key);
    if (!count) return 0;
    const age = Math.floor(now / this.windowMs) - count.window;
    const share = 1 - (now % this.windowMs) / this.windowMs;
    if (age === 0) return count.now + count.before * share;
    return age === 1 ? count.now * share : 0;
  }

  private forgetOldest(): void {
    if (this.counts.size <= this.maxKeys) return;
    for (const oldest of this.counts.keys()) {
      this.counts.delete(oldest);
      return;
    }
  }
}
