import type { LoggerService, NestApplicationOptions } from '@nestjs/common';
import type { Logger } from './logger.ts';

/** Nest's own messages in our log. Its start-up chatter is detail, not a change of our lifecycle. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...context: unknown[]): void {
    this.logger.debug({ component: componentOf(context) }, String(message));
  }

  warn(message: unknown, ...context: unknown[]): void {
    this.logger.warn({ component: componentOf(context) }, String(message));
  }

  /** What is given besides the name of the class says why: nearly always the stack of what was thrown. */
  error(message: unknown, ...context: unknown[]): void {
    const [cause] = context.slice(0, -1);
    const reason = typeof cause === 'string' ? { cause } : {};
    this.logger.error({ component: componentOf(context), ...reason }, String(message));
  }
}

/** Nest passes the name of the class last. */
function componentOf(context: readonly unknown[]): string {
  const name = context.at(-1);
  return typeof name === 'string' ? name : 'nest';
}

/** How both applications are made: Nest logs through us, and throws what goes wrong rather than ending the process. */
export function nestOptions(logger: Logger, bodyParser: boolean): NestApplicationOptions {
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest declares this bag of options as a class and documents a plain object
  return { logger: new NestLogger(logger), abortOnError: false, bodyParser };
}
