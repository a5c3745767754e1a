import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { describeCluster } from './describe-cluster.ts';
import { PostgresServer } from './postgres-server.ts';
import { ProcessGroup } from './process-group.ts';
import { RedisServer } from './redis-server.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { answerOf } from './waiting.ts';

describeCluster('servers of a cluster', () => {
  let group: ProcessGroup;

  beforeEach(async () => {
    group = await ProcessGroup.open();
  });

  afterEach(async () => {
    await group.close();
  });

  it('start Redis empty again after a kill', async () => {
    const redis = await RedisServer.start(group);
    await answerOf(redis.port, 'SET a b\r\n');
    expect(await answerOf(redis.port, 'GET a\r\n')).toBe('$1\r\nb\r\n');

    await redis.kill();
    expect(await answerOf(redis.port, 'PING\r\n')).toBeUndefined();
    await redis.start();

    expect(await answerOf(redis.port, 'GET a\r\n')).toBe('$-1\r\n');
  });

  it('keep what the database committed over a kill', async () => {
    const postgres = await PostgresServer.start(group);
    const before = await postgres.connect();
    await before.query('CREATE TABLE kept (value int)');
    await before.query('INSERT INTO kept VALUES (7)');

    await postgres.kill();
    await postgres.start();

    const after = await postgres.connect();
    expect((await after.query('SELECT value FROM kept')).rows).toEqual([{ value: 7 }]);
    await after.end();
  });

  it('are cut off and silent behind a proxy, and there again', async () => {
    const redis = await RedisServer.start(group);
    const proxy = await TcpProxy.open(redis.port);
    expect(await answerOf(proxy.port, 'PING\r\n')).toBe('+PONG\r\n');

    proxy.cut();
    expect(await answerOf(proxy.port, 'PING\r\n')).toBeUndefined();
    expect(await answerOf(redis.port, 'PING\r\n')).toBe('+PONG\r\n');
    proxy.silence();
    expect(await answerOf(proxy.port, 'PING\r\n')).toBeUndefined();
    proxy.restore();
    expect(await answerOf(proxy.port, 'PING\r\n')).toBe('+PONG\r\n');
    await proxy.close();
  });
});

describe('the guardian', () => {
  it('ends processes and deletes folders when the program that started them is gone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-guardian-'));
    const [lost, ended] = [spawn('sleep', ['60']), spawn('sleep', ['60'])];
    const guardian = spawn(process.execPath, [fileURLToPath(new URL('guardian.mjs', import.meta.url))]);
    const isOver = once(guardian, 'exit');
    guardian.stdin.write(`folder ${folder}\nprocess ${lost.pid ?? 0}\n`);
    guardian.stdin.write(`process ${ended.pid ?? 0}\nended ${ended.pid ?? 0}\n`);

    const killed = once(lost, 'exit');
    guardian.stdin.end(); // as when the program was killed
    expect(await killed).toEqual([null, 'SIGKILL']);
    await isOver;

    await expect(access(folder)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(ended.signalCode).toBeNull();
    ended.kill('SIGKILL');
  });
});
