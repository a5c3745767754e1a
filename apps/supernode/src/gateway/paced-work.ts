import type { Clock } from '../clock/clock.port.ts';
import type { Scheduler } from '../clock/scheduler.port.ts';

const LOOK_MS = 50;
/** A loop that comes to its timers so much later is at its limit: leases are renewed by the same loop, three times in their life. */
const LATE_MS = 150;
const AT_LEAST = 4;
/** Looks in which the limit comes back from the least to the most. */
const RECOVERY_LOOKS = 20;

/**
 * How much may be under way at one time: as much as is configured, and less while the event loop runs late. More would not be done
 * sooner then, and whatever else the process has to do would wait behind it. Halves at once, recovers within about a second.
 */
export class PacedWork {
  private current: number;
  private isLooking = false;

  /**
   * @param isBusy - whether there is anything that could make the loop late
   * @param onMore - called when the limit rose
   */
  constructor(
    private readonly most: number,
    private readonly clock: Clock,
    private readonly scheduler: Scheduler,
    private readonly isBusy: () => boolean,
    private readonly onMore: () => void,
  ) {
    this.current = most;
  }

  get limit(): number {
    return this.current;
  }

  /** The event loop runs late, or did a moment ago. */
  get isSlowed(): boolean {
    return this.current < this.most;
  }

  /** To be called when work begins. */
  watch(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    const due = this.clock.monotonic() + LOOK_MS;
    this.scheduler.after(LOOK_MS, () => {
      this.isLooking = false;
      this.adapt(this.clock.monotonic() - due);
      if (this.isBusy() || this.isSlowed) this.watch();
    });
  }

  private adapt(lateMs: number): void {
    if (lateMs >= LATE_MS) {
      this.current = Math.min(this.most, Math.max(AT_LEAST, Math.floor(this.current / 2)));
    } else if (this.isSlowed) {
      this.current = Math.min(this.most, this.current + Math.ceil(this.most / RECOVERY_LOOKS));
      this.onMore();
    }
  }
}
