import { Inject, Injectable } from '@nestjs/common';
import { LIMITS, type WireErrorCode } from '@parley/protocol';
import { Refusal } from '../refusal.ts';
import { CLOCK, type Clock } from './clock.port.ts';
import { SCHEDULER, type Scheduler } from './scheduler.port.ts';

/** Refusals that must not tell their reasons apart: one code, after one delay, however long the look-up took. */
@Injectable()
export class PaddedRefusals {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
  ) {}

  /**
   * What `look` finds, at once; or the refusal, `LIMITS.unavailablePaddingMs` after the call.
   *
   * @param refusing - what a refusal leaves behind, done when the delay is over
   */
  async foundOrRefused<Found>(
    code: WireErrorCode,
    look: () => Promise<Found | undefined>,
    refusing?: () => void,
  ): Promise<Found> {
    const began = this.clock.monotonic();
    const found = await look();
    if (found !== undefined) return found;
    const left = Math.max(0, began + LIMITS.unavailablePaddingMs - this.clock.monotonic());
    await new Promise<void>((resolve) => this.scheduler.after(left, resolve));
    refusing?.();
    throw new Refusal(code);
  }
}
