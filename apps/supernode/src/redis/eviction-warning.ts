import type { Logger } from '../observability/logger.ts';
import { messageOf } from '../errors.ts';
import type { RedisCommands } from './redis-commands.ts';
import { textOf } from './redis-replies.ts';
import { redisScript } from './redis-script.ts';

const MEMORY = redisScript('memory', `return redis.call('INFO', 'memory')`);

/**
 * A full Redis that evicts keys takes fences and live state away behind everybody's back; one that does not refuses writes, and that is
 * told. Where Redis does not let its settings be read, nobody is warned.
 *
 * @param key - any, on the server that is asked
 */
export async function warnOfEviction(
  redis: Pick<RedisCommands, 'run'>,
  key: string,
  logger: Pick<Logger, 'warn' | 'debug'>,
): Promise<void> {
  try {
    const memory = textOf(await redis.run(MEMORY, [key], []));
    const limit = Number(/^maxmemory:(\d+)/m.exec(memory)?.[1] ?? 0);
    const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'noeviction';
    if (limit > 0 && policy !== 'noeviction') {
      logger.warn(
        { policy, maxmemory: limit },
        'redis may evict live state: set maxmemory-policy to noeviction',
      );
    }
  } catch (error) {
    logger.debug({ err: error }, `the settings of redis cannot be read: ${messageOf(error)}`);
  }
}
