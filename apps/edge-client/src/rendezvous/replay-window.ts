/** The verdict on a message that may be a replay. `full`: too many within the window, so that it cannot be told. */
export type ReplayVerdict = 'fresh' | 'replayed' | 'full';

/** Remembers what was seen for as long as a signed message stays acceptable; bounded, and never forgetting early. */
export class ReplayWindow {
  readonly #windowMs: number;
  readonly #capacity: number;
  /** By key, the instant at which the message is too old by itself; insertion order is expiry order. */
  readonly #seen = new Map<string, number>();

  constructor(options: { readonly windowMs: number; readonly capacity: number }) {
    this.#windowMs = options.windowMs;
    this.#capacity = options.capacity;
  }

  has(key: string, now: number): boolean {
    this.#expire(now);
    return this.#seen.has(key);
  }

  /** `now` in monotonic milliseconds. A fresh key is remembered. */
  judge(key: string, now: number): ReplayVerdict {
    this.#expire(now);
    if (this.#seen.has(key)) return 'replayed';
    if (this.#seen.size >= this.#capacity) return 'full';
    this.#seen.set(key, now + this.#windowMs);
    return 'fresh';
  }

  #expire(now: number): void {
    for (const [key, expiresAt] of this.#seen) {
      if (expiresAt > now) return;
      this.#seen.delete(key);
    }
  }
}
