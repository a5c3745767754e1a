import type { Welcome } from '@parley/protocol';
import type { ClientClock } from './client-clock.ts';

/** The supernode's clock, as far as its last welcome tells: what signed times are read from, since clients' clocks differ. */
export class ServerClock {
  readonly #clock: ClientClock;
  #offsetMs: number | undefined;
  #startedAt: number | undefined;
  #welcome: Welcome | undefined;

  constructor(clock: ClientClock) {
    this.#clock = clock;
  }

  /** Of the last sign-in. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** When this client first signed in; nothing older can be meant for it. */
  get startedAt(): number {
    return this.#startedAt ?? this.now();
  }

  adjust(welcome: Welcome): void {
    this.#welcome = welcome;
    this.#offsetMs = welcome.serverTime - this.#clock.monotonic();
    this.#startedAt ??= welcome.serverTime;
  }

  /** Milliseconds since the epoch; advances with the monotonic clock, so that a changed system time does not matter. */
  now(): number {
    if (this.#offsetMs === undefined) return this.#clock.wall();
    return Math.round(this.#clock.monotonic() + this.#offsetMs);
  }
}
