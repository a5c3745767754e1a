import { monotonicNow } from './monotonic-clock.ts';
import type { Instant } from '../time/instant.ts';

/** The one timer that a driver keeps armed for the `nextTimeoutAt()` of its core. */
export class CoreTimer {
  private readonly onTimeout: (now: Instant) => void;
  private handle: NodeJS.Timeout | undefined;

  constructor(onTimeout: (now: Instant) => void) {
    this.onTimeout = onTimeout;
  }

  /** Replaces what was armed before; `undefined` disarms. */
  armAt(at: Instant | undefined): void {
    clearTimeout(this.handle);
    if (at === undefined) return;
    // Timers may fire a fraction of a millisecond early: the core then does nothing and is armed again.
    this.handle = setTimeout(
      () => {
        this.onTimeout(monotonicNow());
      },
      Math.max(0, Math.ceil(at - monotonicNow())),
    );
  }
}
