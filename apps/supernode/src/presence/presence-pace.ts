/** How often watchers are told of one user. */
export interface PresencePaceSettings {
  /** Milliseconds in which changes of one user are told as one. */
  readonly windowMs: number;
  /** Updates in a row before the rate counts. */
  readonly burst: number;
  readonly perMinute: number;
}

export const PRESENCE_PACE = Symbol('PresencePace');

/** Users kept before those that are within their budget again are forgotten. */
const FORGET_FROM = 1024;

/**
 * When the next update of a user may be told. What happens until then is told with it, so that the last state always gets out.
 * Times are monotonic milliseconds.
 */
export class PresencePace {
  /** When each user's budget is whole again. */
  private readonly wholeAt = new Map<string, number>();
  private forgetFrom = FORGET_FROM;

  constructor(private readonly settings: PresencePaceSettings) {}

  /** Milliseconds until the update that is announced now may be told. */
  announce(user: string, now: number): number {
    const { windowMs, burst, perMinute } = this.settings;
    const interval = 60_000 / perMinute;
    const wholeAt = Math.max(now, this.wholeAt.get(user) ?? 0);
    this.wholeAt.set(user, wholeAt + interval);
    if (this.wholeAt.size >= this.forgetFrom) this.forget(now);
    return Math.max(windowMs, wholeAt - (burst - 1) * interval - now);
  }

  private forget(now: number): void {
    for (const [user, wholeAt] of this.wholeAt) if (wholeAt <= now) this.wholeAt.delete(user);
    this.forgetFrom = Math.max(FORGET_FROM, 2 * this.wholeAt.size);
  }
}
