const MIN_WINDOW_MS = 1_000;
const MAX_WINDOW_MS = 60_000;
/** Returning clients may use this part of the rate; the rest is for those who come for the first time. */
const RETURNING_SHARE = 0.7;

/**
 * Over how long those who are refused should spread. Everybody who was refused comes again: the window grows with them, so that
 * they arrive no faster than they can be served.
 */
export class RefusalWindow {
  private expected = 0;

  constructor(
    private readonly perSecond: number,
    private countedAt: number,
  ) {}

  /**
   * Counts one refusal and returns the window for it in milliseconds.
   *
   * @param share - the part of the rate that is served now
   */
  refused(now: number, share = 1): number {
    this.expected = this.left(now, share) + 1;
    this.countedAt = now;
    return Math.min(MAX_WINDOW_MS, Math.max(MIN_WINDOW_MS, this.expected / this.rate(share)));
  }

  /** Whether some of those who were refused are still to come. */
  isOpen(now: number, share = 1): boolean {
    return this.left(now, share) > 0;
  }

  private left(now: number, share: number): number {
    return Math.max(0, this.expected - (now - this.countedAt) * this.rate(share));
  }

  /** Returning clients per millisecond. */
  private rate(share: number): number {
    return (this.perSecond * share * RETURNING_SHARE) / 1000;
  }
}
