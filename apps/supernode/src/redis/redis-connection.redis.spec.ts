import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once, EventEmitter } from 'node:events';
import { Metrics } from '../observability/metrics.ts';
import { reconnectDelay } from './redis-backend.redis.ts';
import type { RedisConnection } from './redis-connection.redis.ts';
import { redisScript } from './redis-script.ts';
import { describeRedis, openRedis } from './testing/describe-redis.ts';

const ECHO = redisScript('echo', `return ARGV[1]`);
const FAULT = redisScript('fault', `return redis.error_reply('WRONG on purpose')`);
const DEADLINE_MS = 1_000;
const UNREACHABLE = { code: 'SN_REDIS_UNREACHABLE' };

describe('reconnectDelay', () => {
  it('grows to two seconds and differs from supernode to supernode', () => {
    expect(reconnectDelay(0, () => 0)).toBe(25);
    expect(reconnectDelay(0, () => 1)).toBe(75);
    expect(reconnectDelay(3, () => 0.5)).toBe(225);
    expect(reconnectDelay(100, () => 1)).toBe(2025);
  });
});

describeRedis('RedisConnection', (lab) => {
  let connection: RedisConnection;
  let metrics: Metrics;
  let news: EventEmitter;

  /** Settles when the connection says so. */
  const becomes = (state: 'up' | 'down' | 'emptied') =>
    once(news, state, { signal: AbortSignal.timeout(15_000) });

  beforeEach(async () => {
    metrics = new Metrics({ withProcess: false });
    news = new EventEmitter();
    connection = await openRedis(lab.server.url, { metrics, deadlineMs: DEADLINE_MS, probeMs: 100 });
    connection.onStateChange((isUp) => news.emit(isUp ? 'up' : 'down'));
    connection.onEmptied(() => news.emit('emptied'));
  });
  afterEach(() => connection.close());

  it('says at the start that there is no Redis', async () => {
    const opening = openRedis('redis://127.0.0.1:1', { scheduler: { after: (ms, task) => soon(ms, task) } });
    await expect(opening).rejects.toMatchObject(UNREACHABLE);
    await expect(opening).rejects.toThrow(/ECONNREFUSED/);
  });

  it('says at the start that the password is wrong', async () => {
    const url = lab.server.url.replace('//', '//nobody:wrong@');
    const opening = openRedis(url, { scheduler: { after: (ms, task) => soon(ms, task) } });
    await expect(opening).rejects.toThrow(/WRONGPASS/);
  });

  it('tells what Redis refuses for good from what it can not do now', async () => {
    await expect(connection.run(FAULT, ['key'], [])).rejects.toMatchObject({ code: 'SN_REDIS_REFUSED' });
    const loading = redisScript('loading', `return redis.error_reply('LOADING from disk')`);
    await expect(connection.run(loading, ['key'], [])).rejects.toMatchObject(UNREACHABLE);
  });

  it('sends a script in full to a server that does not know it', async () => {
    expect(await connection.run(ECHO, ['key'], ['one'])).toBe('one');
    lab.server.cli('SCRIPT', 'FLUSH');
    expect(await connection.run(ECHO, ['key'], ['two'])).toBe('two');
  });

  it('fails at once while Redis is away, and notices that it came back empty', async () => {
    await connection.command('kept', ['SET', 'kept', '1']);
    const heard: string[] = [];
    await connection.subscribe('channel', (message) => {
      heard.push(message);
      news.emit('message');
    });

    const down = becomes('down');
    await lab.server.kill();
    await down;
    expect(connection.isUp).toBe(false);
    const began = performance.now();
    await expect(connection.run(ECHO, ['key'], ['x'])).rejects.toMatchObject(UNREACHABLE);
    await expect(connection.publish('channel', 'x')).rejects.toMatchObject(UNREACHABLE);
    await expect(connection.check()).rejects.toMatchObject(UNREACHABLE);
    expect(performance.now() - began).toBeLessThan(DEADLINE_MS / 2);

    const back = Promise.all([becomes('up'), becomes('emptied')]);
    await lab.server.begin();
    await back;
    expect(await connection.command('kept', ['GET', 'kept'])).toBeNull();
    expect(await connection.run(ECHO, ['key'], ['again'])).toBe('again');

    const message = once(news, 'message', { signal: AbortSignal.timeout(10_000) });
    await connection.publish('channel', 'hello');
    await message;
    expect(heard).toEqual(['hello']);
  });

  it('knows a Redis that lost only its connection from one that was emptied', async () => {
    let emptied = 0;
    connection.onEmptied(() => (emptied += 1));
    const again = Promise.all([becomes('down'), becomes('up')]);
    lab.server.cli('CLIENT', 'KILL', 'TYPE', 'normal');
    await again;
    expect(emptied).toBe(0);
  });

  it('does not wait for a Redis that hangs, and goes on when it does not any more', async () => {
    const down = becomes('down');
    lab.server.pause();
    try {
      await expect(connection.run(ECHO, ['key'], ['x'])).rejects.toMatchObject(UNREACHABLE);
      await down;
      const began = performance.now();
      await expect(connection.run(ECHO, ['key'], ['x'])).rejects.toMatchObject(UNREACHABLE);
      expect(performance.now() - began).toBeLessThan(DEADLINE_MS / 2);
    } finally {
      const up = becomes('up');
      lab.server.unpause();
      await up;
    }
    expect(await connection.run(ECHO, ['key'], ['again'])).toBe('again');
  });

  it('counts round trips and failures', async () => {
    await connection.run(ECHO, ['key'], ['x']);
    await expect(connection.run(FAULT, ['key'], [])).rejects.toThrow();
    const { body } = await metrics.exposition();
    expect(body).toContain('parley_redis_round_trip_seconds_count{operation="echo"} 1');
    expect(body).toContain('parley_redis_failures_total{operation="fault",code="SN_REDIS_REFUSED"} 1');
    expect(body).toContain('parley_redis_up 1');
  });
});

/** The limit of the first connection, sooner. */
function soon(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms / 100);
  return () => clearTimeout(timer);
}
