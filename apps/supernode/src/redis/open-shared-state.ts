import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { systemClock } from '../clock/system-clock.ts';
import { systemScheduler } from '../clock/system-scheduler.ts';
import type { StorageConfig } from '../config/config.schema.ts';
import { messageOf, SupernodeError } from '../errors.ts';
import type { HealthRegistry } from '../observability/health-registry.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { warnOfEviction } from './eviction-warning.ts';
import { RedisConnection } from './redis-connection.redis.ts';
import { RedisKeys } from './redis-keys.ts';
import type { SharedState } from './redis.module.ts';

interface Reports {
  readonly logger: Pick<Logger, 'info' | 'warn' | 'debug'>;
  readonly metrics: Metrics;
  readonly health: Pick<HealthRegistry, 'register'>;
}

/**
 * Connects to Redis and says in the health report whether it answers.
 *
 * @param clusterId - keeps clusters that share a server apart
 * @throws SupernodeError SN_REDIS_UNREACHABLE, SN_CONFIG_INVALID, SN_TLS_INVALID
 */
export async function openSharedState(
  { redisUrl, redisCaFile }: { readonly redisUrl: string } & Pick<StorageConfig, 'redisCaFile'>,
  clusterId: string,
  { logger, metrics, health }: Reports,
): Promise<SharedState> {
  const keys = new RedisKeys(clusterId);
  const connection = await RedisConnection.open({
    url: redisUrl,
    authorities: redisCaFile === undefined ? undefined : await readAuthorities(redisCaFile),
    birthmark: keys.birthmark,
    clock: systemClock,
    scheduler: systemScheduler,
    logger,
    metrics,
  });
  await warnOfEviction(connection, keys.birthmark, logger);
  health.register({ name: 'redis', isShared: true, check: () => connection.check() });
  return { connection, keys };
}

/** @throws SupernodeError SN_TLS_INVALID */
async function readAuthorities(file: string): Promise<string> {
  try {
    const text = await readFile(file, 'utf8');
    // Sockets take any text and then trust nobody, which is told by no more than a failed connection.
    new X509Certificate(text);
    return text;
  } catch (cause) {
    throw new SupernodeError('SN_TLS_INVALID', `SUPERNODE_REDIS_CA: ${messageOf(cause)}`, { cause });
  }
}
