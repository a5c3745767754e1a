import type { RedisCommands } from '../redis-commands.ts';
import { redisScript } from '../redis-script.ts';
import { REDIS_NOW } from '../member-fence.ts';

const READ_CLOCK = redisScript('time', `${REDIS_NOW} return string.format('%.0f', now)`);

/** Resolves when so much time passed by the clock of the server that has `key`. */
export async function passInRedis(redis: RedisCommands, key: string, milliseconds: number): Promise<void> {
  const now = async (): Promise<number> => Number(await redis.run(READ_CLOCK, [key], []));
  for (const until = (await now()) + milliseconds; (await now()) <= until;);
}
