import { after, type Instant } from '@parley/nat';

/** A request that is made again and again: one at a time, and given up when no answer comes. */
export class Poll {
  private sentAt: Instant | undefined;
  private isHurried = false;

  constructor(
    private readonly timeoutMs: number,
    private dueAt: Instant,
  ) {}

  /** The instant of a request that has waited too long, which is forgotten by that. */
  takeOverdue(now: Instant): Instant | undefined {
    if (!this.isOverdue(now)) return undefined;
    const sentAt = this.sentAt;
    this.sentAt = undefined;
    return sentAt;
  }

  isOverdue(now: Instant): boolean {
    return this.sentAt !== undefined && now >= after(this.sentAt, this.timeoutMs);
  }

  isDue(now: Instant): boolean {
    return this.sentAt === undefined && now >= this.dueAt;
  }

  sent(now: Instant, intervalMs: number): void {
    this.sentAt = now;
    this.dueAt = after(now, intervalMs);
    this.isHurried = false;
  }

  /** An answer came, for this request or for one that was given up. */
  ended(sentAt: Instant, now: Instant): void {
    if (this.sentAt !== sentAt) return;
    this.sentAt = undefined;
    if (this.isHurried) this.dueAt = now;
  }

  /** At once, or as soon as the one under way has ended: that one may have been answered too early. */
  hurry(now: Instant): void {
    if (this.sentAt === undefined) this.dueAt = now;
    else this.isHurried = true;
  }

  nextAt(): Instant {
    return this.sentAt === undefined ? this.dueAt : after(this.sentAt, this.timeoutMs);
  }
}
