import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@parley/nat/testing';
import { Metrics } from '../observability/metrics.ts';
import { openSharedState } from './open-shared-state.ts';
import { describeWithRedisServer, openRedis } from './testing/describe-redis.ts';
import { RedisClusterLab } from './testing/redis-cluster.ts';
import { RedisServer } from './testing/redis-server.ts';

const FIXTURES = join(import.meta.dirname, '../testing');
const CERTIFICATE = join(FIXTURES, 'tls-cert.pem');
const KEY = join(FIXTURES, 'tls-key.pem');
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
      ...['--tls-cert-file', CERTIFICATE, '--tls-key-file', KEY],
      ...['--tls-ca-cert-file', CERTIFICATE, '--requirepass', 'word'],
    ]);
    place = `:word@127.0.0.1:${port}`;
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('works with the authority that is configured: commands and channels', async () => {
    const { connection, keys } = await opened(`rediss://${place}`, CERTIFICATE);
    try {
      await connection.command(keys.birthmark, ['SET', keys.birthmark, 'written']);
      expect(await connection.command(keys.birthmark, ['GET', keys.birthmark])).toBe('written');
      const [heard, hear] = heardOnce();
      await connection.subscribe('news', hear);
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
    await expect(opened(`rediss://${place}`, join(folder, name))).rejects.toMatchObject({
      code: 'SN_TLS_INVALID',
      message: expect.stringContaining('SUPERNODE_REDIS_CA'),
    });
  });
});

describeWithRedisServer('a Redis Cluster over TLS', () => {
  let lab: RedisClusterLab;
  beforeAll(async () => {
    lab = await RedisClusterLab.start({ tls: { certificate: CERTIFICATE, key: KEY } });
  }, 60_000);
  afterAll(() => lab.stop());

  it('is spoken to with TLS at every server, those among it that only the cluster named', async () => {
    const [onlyOne] = lab.url.split('?') as [string];
    const { connection, keys } = await opened(onlyOne, CERTIFICATE);
    try {
      const names = Array.from({ length: 60 }, (_, at) => keys.linkChannel(`node-${at}`));
      for (const name of names) await connection.command(name, ['SET', name, 'written']);
      for (const count of lab.keyCounts()) expect(count).toBeGreaterThan(5);
      for (const name of names) expect(await connection.command(name, ['GET', name])).toBe('written');

      const [channel] = names as [string];
      const [heard, hear] = heardOnce();
      await connection.subscribe(channel, hear);
      await connection.publish(channel, 'hello');
      expect(await heard).toBe('hello');
    } finally {
      connection.close();
    }
  });

  it('is refused by a supernode that knows another authority', async () => {
    const opening = openRedis(lab.url, {
      authorities: await readFile(STRANGER, 'utf8'),
      scheduler: { after: (ms, task) => sooner(ms, task) },
    });
    await expect(opening).rejects.toMatchObject({ code: 'SN_REDIS_UNREACHABLE' });
  });
});

/** As a supernode does it at its start. */
function opened(redisUrl: string, redisCaFile: string | undefined): ReturnType<typeof openSharedState> {
  return openSharedState({ redisUrl, redisCaFile }, 'test', {
    logger: SILENT,
    metrics: new Metrics({ withProcess: false }),
    health: { register: () => undefined },
  });
}

function heardOnce(): readonly [heard: Promise<string>, hear: (message: string) => void] {
  let hear: (message: string) => void = () => undefined;
  const heard = new Promise<string>((resolve) => {
    hear = resolve;
  });
  return [heard, hear];
}

/** The limit of the first connection, sooner, but late enough for some attempts. */
function sooner(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms / 10);
  return () => clearTimeout(timer);
}
