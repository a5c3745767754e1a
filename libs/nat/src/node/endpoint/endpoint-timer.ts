import type { Instant } from '../../time/instant.ts';

/** One timer for everything of an endpoint; armed anew only where something is due earlier than before. */
export class EndpointTimer {
  readonly #now: () => Instant;
  readonly #onTimeout: () => void;
  #timer: NodeJS.Timeout | undefined;
  #armedAt: Instant | undefined;

  constructor(now: () => Instant, onTimeout: () => void) {
    this.#now = now;
    this.#onTimeout = onTimeout;
  }

  /** Whether it would be too late for something at `at`. */
  isAfter(at: Instant): boolean {
    return this.#armedAt === undefined || at < this.#armedAt;
  }

  armAt(at: Instant | undefined): void {
    if (at === undefined || !this.isAfter(at)) return;
    clearTimeout(this.#timer);
    this.#armedAt = at;
    this.#timer = setTimeout(
      () => {
        this.#armedAt = undefined;
        this.#onTimeout();
      },
      Math.max(0, Math.ceil(at - this.#now())),
    );
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
