import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { slotOf, type Slot } from '../cluster/slot.ts';
import { SupernodeError } from '../errors.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';

/**
 * What a device may wait for: the end of its grace time, the end of a state set for a limited time, the end of the time in which
 * it may return from an earlier home.
 */
export type DeviceTimer = 'grace' | 'expiry' | 'return';

interface Running {
  readonly device: DeviceAddress;
  readonly cancel: () => void;
}

/** A home that may not act at the moment, after a pause, either may again in seconds or is no home any more. */
const RETRY_MS = 1000;
const MAX_RETRIES = 30;

/** At most one timer of each kind per device. */
@Injectable()
export class DeviceTimers implements OnModuleDestroy {
  private readonly running = new Map<string, Running>();

  constructor(
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleDestroy(): void {
    for (const { cancel } of this.running.values()) cancel();
    this.running.clear();
  }

  /** Replaces the device's timer of this kind. A task that finds that this supernode may not act now is done a little later. */
  start(
    timer: DeviceTimer,
    device: DeviceAddress,
    milliseconds: number,
    task: () => Promise<void>,
    retries = MAX_RETRIES,
  ): void {
    this.stop(timer, device);
    const key = keyOf(timer, device);
    const run = (): void => {
      this.running.delete(key);
      void this.background.attempt(`ending a device's ${timer}`, async () => {
        try {
          await task();
        } catch (error) {
          const mayNotAct = error instanceof SupernodeError && error.code === 'SN_NOT_OWNER';
          if (!mayNotAct || retries === 0) throw error;
          if (!this.running.has(key)) this.start(timer, device, RETRY_MS, task, retries - 1);
        }
      });
    };
    this.running.set(key, { device, cancel: this.scheduler.after(milliseconds, run) });
  }

  stop(timer: DeviceTimer, device: DeviceAddress): void {
    const key = keyOf(timer, device);
    this.running.get(key)?.cancel();
    this.running.delete(key);
  }

  isRunning(timer: DeviceTimer, device: DeviceAddress): boolean {
    return this.running.has(keyOf(timer, device));
  }

  /** The slots have another home, which waits for their devices. */
  forget(slots: ReadonlySet<Slot>): void {
    for (const [key, { device, cancel }] of this.running) {
      if (!slots.has(slotOf(device.tenant, device.userId))) continue;
      cancel();
      this.running.delete(key);
    }
  }
}

function keyOf(timer: DeviceTimer, device: DeviceAddress): string {
  return `${timer} ${deviceKey(device)}`;
}
