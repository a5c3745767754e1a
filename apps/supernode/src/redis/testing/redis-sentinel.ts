import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '@parley/nat/testing';
import { RedisServer } from './redis-server.ts';

const LIMIT_MS = 20_000;

/** Two redis-servers of a test, one following the other, and a sentinel that decides alone. */
export class RedisSentinelLab {
  private constructor(
    private readonly servers: readonly RedisServer[],
    private readonly sentinel: ChildProcess,
    private readonly port: number,
    private readonly folder: string,
  ) {}

  static async start(): Promise<RedisSentinelLab> {
    const first = await RedisServer.start();
    const second = await RedisServer.start(['--replicaof', `127.0.0.1 ${first.port}`]);
    const folder = await mkdtemp(join(tmpdir(), 'parley-sentinel-'));
    const port = await freePort();
    const settings = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor main 127.0.0.1 ${first.port} 1`,
      'sentinel down-after-milliseconds main 1000',
      'sentinel failover-timeout main 5000',
    ];
    const file = join(folder, 'sentinel.conf');
    await writeFile(file, `${settings.join('\n')}\n`);
    const sentinel = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
    const lab = new RedisSentinelLab([first, second], sentinel, port, folder);
    await lab.until(() => lab.ask('SENTINEL', 'REPLICAS', 'main').includes(String(second.port)));
    await lab.until(() => second.cli('INFO', 'replication').includes('master_link_status:up'));
    return lab;
  }

  get url(): string {
    return `redis+sentinel://127.0.0.1:${this.port}/main`;
  }

  /** The server that takes writes ends like in a crash; resolves when the sentinel named the other one. */
  async failOver(): Promise<void> {
    const [first, second] = this.servers as [RedisServer, RedisServer];
    await first.kill();
    await this.until(() =>
      this.ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main').includes(String(second.port)),
    );
  }

  async stop(): Promise<void> {
    const gone = this.sentinel.exitCode === null ? once(this.sentinel, 'exit') : undefined;
    this.sentinel.kill('SIGKILL');
    await gone;
    await Promise.all(this.servers.map((server) => server.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }

  private ask(...args: string[]): string {
    return spawnSync('redis-cli', ['-p', String(this.port), ...args], { encoding: 'utf8' }).stdout;
  }

  private async until(condition: () => boolean): Promise<void> {
    for (const deadline = Date.now() + LIMIT_MS; !condition();) {
      if (Date.now() > deadline) throw new Error('the sentinel did not do in time what a test waits for');
      await wait(100);
    }
  }
}
