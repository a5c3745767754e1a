import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@parley/nat/testing';
import { Metrics } from '../observability/metrics.ts';
import { openSharedState } from './open-shared-state.ts';
import { describeWithRedisServer, openRedis } from './testing/describe-redis.ts';
import { RedisServer } from './testing/redis-server.ts';

const FIXTURES = join(import.meta.dirname, '../testing');
const CERTIFICATE = join(FIXTURES, 'tls-cert.pem');
const STRANGER = join(FIXTURES, 'tls-next-cert.pem');
const SILENT = { info: () => undefined, warn: () => undefined, debug: () => undefined };

describeWithRedisServer('Redis over TLS', () => {
  let folder: string;
  let server: RedisServer;
  let place: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-redis-tls-'));
    const port = await freePort();
    server = await RedisServer.start([
      ...['--tls-port', String(port), '--tls-auth-clients', 'no'],
      ...['--tls-cert-file', CERTIFICATE, '--tls-key-file', join(FIXTURES, 'tls-key.pem')],
      ...['--tls-ca-cert-file', CERTIFICATE, '--requirepass', 'word'],
    ]);
    place = `:word@127.0.0.1:${port}`;
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** As a supernode does it at its start. */
  const opened = (redisCaFile: string | undefined, redisUrl = `rediss://${place}`) =>
    openSharedState({ redisUrl, redisCaFile }, 'test', {
      logger: SILENT,
      metrics: new Metrics({ withProcess: false }),
      health: { register: () => undefined },
    });

  it('works with the authority that is configured: commands and channels', async () => {
    const { connection, keys } = await opened(CERTIFICATE);
    try {
      await connection.command(keys.birthmark, ['SET', keys.birthmark, 'written']);
      expect(await connection.command(keys.birthmark, ['GET', keys.birthmark])).toBe('written');
      const heard = new Promise<string>((resolve) => {
        void connection.subscribe('news', resolve);
      });
      await connection.publish('news', 'hello');
      expect(await heard).toBe('hello');
    } finally {
      connection.close();
    }
  });

  it.each([
    ['another authority', async () => readFile(STRANGER, 'utf8'), /self-signed certificate/],
    ['the authorities of Node alone', () => Promise.resolve(undefined), /self-signed certificate/],
  ])('is refused by a supernode that knows %s', async (_what, authorities, reason) => {
    const opening = openRedis(`rediss://${place}`, {
      authorities: await authorities(),
      scheduler: { after: (ms, task) => sooner(ms, task) },
    });
    await expect(opening).rejects.toMatchObject({ code: 'SN_REDIS_UNREACHABLE' });
    await expect(opening).rejects.toThrow(reason);
  });

  it('is refused where the certificate is of another name', async () => {
    const opening = openRedis(`rediss://${place.replace('127.0.0.1', '127.0.0.2')}`, {
      authorities: await readFile(CERTIFICATE, 'utf8'),
      scheduler: { after: (ms, task) => sooner(ms, task) },
    });
    await expect(opening).rejects.toThrow(/127\.0\.0\.2/);
  });

  it.each([
    ['is missing', 'none.pem'],
    ['holds no certificate', 'empty.pem'],
  ])('is not begun with a file of authorities that %s', async (_what, name) => {
    await writeFile(join(folder, 'empty.pem'), 'none');
    await expect(opened(join(folder, name))).rejects.toMatchObject({
      code: 'SN_TLS_INVALID',
      message: expect.stringContaining('SUPERNODE_REDIS_CA'),
    });
  });
});

/** The limit of the first connection, sooner, but late enough for some attempts. */
function sooner(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms / 10);
  return () => clearTimeout(timer);
}
