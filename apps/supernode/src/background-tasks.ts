import { Injectable, Logger } from '@nestjs/common';
import { SupernodeError } from './errors.ts';

/** Work that no client waits for: a failure is logged and counted, and does not stop what comes after it. */
@Injectable()
export class BackgroundTasks {
  private readonly logger = new Logger(BackgroundTasks.name);
  private failed = 0;

  /** How many tasks failed since the start. */
  get failures(): number {
    return this.failed;
  }

  /** Resolves when the task has ended, well or not. */
  async attempt(what: string, task: () => Promise<unknown>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (isAnothersWork(error)) {
        this.logger.debug(`${what}: left to the user's home, which this supernode may not act as now`);
        return;
      }
      this.failed += 1;
      this.logger.error(`${what} failed`, error instanceof Error ? error.stack : String(error));
    }
  }
}

/** A home that changes, or whose lease lapsed, is no fault: whoever has the user next does what this one came too late for. */
function isAnothersWork(error: unknown): boolean {
  return error instanceof SupernodeError && error.code === 'SN_NOT_OWNER';
}
