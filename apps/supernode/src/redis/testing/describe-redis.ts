import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { systemClock } from '../../clock/system-clock.ts';
import { systemScheduler } from '../../clock/system-scheduler.ts';
import { Metrics } from '../../observability/metrics.ts';
import { RedisConnection, type RedisConnectionOptions } from '../redis-connection.redis.ts';
import { RedisKeys } from '../redis-keys.ts';
import { hasRedisServer, RedisServer } from './redis-server.ts';

const START_MS = 60_000;
const SILENT = { info: () => undefined, warn: () => undefined };

export function openRedis(
  url: string,
  options: Partial<RedisConnectionOptions> = {},
): Promise<RedisConnection> {
  return RedisConnection.open({
    url,
    birthmark: 'parley:test:birthmark',
    clock: systemClock,
    scheduler: systemScheduler,
    logger: SILENT,
    metrics: new Metrics({ withProcess: false }),
    // Suites run on machines that are busy with others.
    deadlineMs: 10_000,
    ...options,
  });
}

/** What a suite on a real Redis works with. */
export interface RedisLab {
  readonly server: RedisServer;
  readonly connection: RedisConnection;
  /** Names of a cluster that nobody used before, so that every test begins with nothing. */
  freshKeys(): RedisKeys;
  /** Redis is killed and comes back with nothing; resolves when the connection has noticed. */
  loseAll(): Promise<void>;
  /** What is stored under these names, without the prefix; fences aside, which stay. */
  stored(keys: RedisKeys): string[];
  /** Those of them that would stay for ever. */
  storedForEver(keys: RedisKeys): string[];
}

/** Under `CI=true` everything is to be tried, and a program that is missing is a failure. */
class ProgramMissingError extends Error {
  override readonly name = 'ProgramMissingError';
  readonly code = 'PROGRAM_MISSING';
}

/** A suite that starts redis-servers; where the program is missing it is skipped, or fails under `CI=true`, and says so. */
export function describeWithRedisServer(name: string, suite: () => void): void {
  if (hasRedisServer()) describe(name, suite);
  else if (process.env['CI'] !== 'true')
    describe(name, () => it.skip('needs redis-server, which is not installed', () => undefined));
  else
    describe(name, () => {
      it('has the programs that it needs', () => {
        throw new ProgramMissingError(
          'redis-server is not installed (Debian: apt-get install redis-server); without CI=true this is skipped',
        );
      });
    });
}

/** A suite with a redis-server of its own. */
export function describeRedis(name: string, suite: (lab: RedisLab) => void): void {
  describeWithRedisServer(name, () => {
    let server: RedisServer;
    let connection: RedisConnection;
    let isOpen = false;
    beforeAll(async () => {
      server = await RedisServer.start();
      connection = await openRedis(server.url);
      isOpen = true;
    }, START_MS);
    afterAll(async () => {
      if (isOpen) connection.close();
      await server.stop();
    });
    suite({
      get server() {
        return server;
      },
      get connection() {
        return connection;
      },
      freshKeys: () => new RedisKeys(randomUUID()),
      loseAll: async () => {
        const emptied = new Promise<void>((resolve) => connection.onEmptied(resolve));
        await server.kill();
        await server.begin();
        await emptied;
      },
      stored: (keys) => namesIn(server, keys),
      storedForEver: (keys) =>
        namesIn(server, keys).filter((name) => server.cli('PTTL', keys.prefix + name) === '-1'),
    });
  });
}

function namesIn(server: RedisServer, { prefix }: RedisKeys): string[] {
  const names = server.cli('KEYS', `${prefix}*`).split('\n').filter(Boolean);
  return names
    .map((name) => name.slice(prefix.length))
    .filter((name) => !name.endsWith(':fence'))
    .sort();
}
