import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import type { LogConfig } from '../config/config.schema.ts';

/** Structured log lines. Levels: `info` is one line for each change of a lifecycle; what happens often is `debug`. */
export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error'>;

export const LOGGER = Symbol('Logger');

/** Fields that are secret at every level, wherever they are in the first two levels of a line. */
const SECRET_FIELDS = [
  'secret',
  'password',
  'token',
  'authorization',
  'apiSecret',
  'turnSecret',
  'privateKey',
  'adminKey',
];
/** Fields that say where a client is: kept at `debug` and below only. */
const ADDRESS_FIELDS = ['address', 'remoteAddress', 'clientAddress', 'peerAddress', 'reflexiveAddress', 'ip'];
const PINO_INFO = 30;

/** JSON lines on standard error: standard output belongs to the ready line. */
export function createLogger(
  config: LogConfig,
  destination: DestinationStream = pino.destination(2),
): PinoLogger {
  return pino(
    {
      level: config.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]),
      hooks: {
        logMethod(args, method, level) {
          const [fields] = args;
          if (level >= PINO_INFO && isPlainObject(fields)) args[0] = withoutAddresses(fields);
          method.apply(this, args);
        },
      },
    },
    destination,
  );
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Error);
}

function withoutAddresses(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !ADDRESS_FIELDS.includes(name)));
}
