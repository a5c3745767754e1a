import { Injectable, Logger } from '@nestjs/common';

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
      this.failed += 1;
      this.logger.error(`${what} failed`, error instanceof Error ? error.stack : String(error));
    }
  }
}
