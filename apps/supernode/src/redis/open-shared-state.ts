import { systemClock } from '../clock/system-clock.ts';
import { systemScheduler } from '../clock/system-scheduler.ts';
import type { Observability } from '../observability/observability.module.ts';
import { warnOfEviction } from './eviction-warning.ts';
import { RedisConnection } from './redis-connection.redis.ts';
import { RedisKeys } from './redis-keys.ts';
import type { SharedState } from './redis.module.ts';

/**
 * Connects to Redis and says in the health report whether it answers.
 *
 * @param clusterId - keeps clusters that share a server apart
 * @throws SupernodeError SN_REDIS_UNREACHABLE, SN_CONFIG_INVALID
 */
export async function openSharedState(
  url: string,
  clusterId: string,
  { logger, metrics, health }: Observability,
): Promise<SharedState> {
  const keys = new RedisKeys(clusterId);
  const connection = await RedisConnection.open({
    url,
    birthmark: keys.birthmark,
    clock: systemClock,
    scheduler: systemScheduler,
    logger,
    metrics,
  });
  await warnOfEviction(connection, keys.birthmark, logger);
  health.register({ name: 'redis', check: () => connection.check() });
  return { connection, keys };
}
