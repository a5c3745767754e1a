/** A budget of `burst` requests that refills at `perSecond`. Times are monotonic milliseconds. */
export class TokenBucket {
  private tokens: number;

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    private refilledAt: number,
  ) {
    this.tokens = burst;
  }

  /**
   * 0 when the request was admitted, else the milliseconds until it would be.
   *
   * @param cost - no more than the burst
   */
  take(now: number, cost = 1): number {
    const gained = (Math.max(0, now - this.refilledAt) / 1000) * this.perSecond;
    this.tokens = Math.min(this.burst, this.tokens + gained);
    this.refilledAt = now;
    if (this.tokens >= cost) {
      this.tokens -= cost;
      return 0;
    }
    return ((cost - this.tokens) / this.perSecond) * 1000;
  }
}
