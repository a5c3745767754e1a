import { Inject, Injectable } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';

/** What a device may wait for: the end of its grace time, the end of a state set for a limited time. */
export type DeviceTimer = 'grace' | 'expiry';

/** At most one timer of each kind per device. */
@Injectable()
export class DeviceTimers {
  private readonly cancels = new Map<string, () => void>();

  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
  ) {}

  /** Replaces the device's timer of this kind. */
  start(timer: DeviceTimer, device: DeviceAddress, milliseconds: number, task: () => Promise<void>): void {
    this.stop(timer, device);
    const key = keyOf(timer, device);
    const run = (): void => {
      this.cancels.delete(key);
      void this.background.attempt(`ending a device's ${timer}`, task);
    };
    this.cancels.set(key, this.scheduler.after(milliseconds, run));
  }

  stop(timer: DeviceTimer, device: DeviceAddress): void {
    const key = keyOf(timer, device);
    this.cancels.get(key)?.();
    this.cancels.delete(key);
  }
}

function keyOf(timer: DeviceTimer, device: DeviceAddress): string {
  return `${timer} ${deviceKey(device)}`;
}
