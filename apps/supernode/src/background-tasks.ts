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
        this.logger.debug(`${what}: left to another home, which has the user now`);
        return;
      }
      this.failed += 1;
      this.logger.error(`${what} failed`, error instanceof Error ? error.stack : String(error));
    }
  }
}

/** A user who moves is no fault: the new home does what this one came too late for. */
function isAnothersWork(error: unknown): boolean {
  return error instanceof SupernodeError && error.code === 'SN_NOT_OWNER';
}
