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
   * @param share - the part of burst and rate that may be used now; at least one request in any case
   */
  take(now: number, cost = 1, share = 1): number {
    const perSecond = this.perSecond * share;
    const gained = (Math.max(0, now - this.refilledAt) / 1000) * perSecond;
    this.tokens = Math.min(Math.max(cost, this.burst * share), this.tokens + gained);
    this.refilledAt = now;
    if (this.tokens >= cost) {
      this.tokens -= cost;
      return 0;
    }
    return ((cost - this.tokens) / perSecond) * 1000;
  }

  /** What was taken turned out not to be needed. */
  giveBack(): void {
    this.tokens = Math.min(this.burst, this.tokens + 1);
  }
}
