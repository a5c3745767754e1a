import { LIMITS } from '@parley/protocol';

/** Session ids that were used within the replay window, and may not be again. */
export class UsedSessions {
  /** In the order of their use, with the time of it. */
  private readonly usedAt = new Map<string, number>();

  has(key: string, now: number): boolean {
    this.forgetBefore(now - LIMITS.replayWindowMs);
    return this.usedAt.has(key);
  }

  add(key: string, now: number): void {
    this.usedAt.set(key, now);
  }

  delete(key: string): void {
    this.usedAt.delete(key);
  }

  private forgetBefore(time: number): void {
    for (const [key, usedAt] of this.usedAt) {
      if (usedAt >= time) return;
      this.usedAt.delete(key);
    }
  }
}
