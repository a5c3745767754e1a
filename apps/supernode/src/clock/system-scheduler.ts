import type { Scheduler } from './scheduler.port.ts';

/** Timers that do not keep the process alive. */
export const systemScheduler: Scheduler = {
  after(milliseconds, task) {
    const timer = setTimeout(task, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
