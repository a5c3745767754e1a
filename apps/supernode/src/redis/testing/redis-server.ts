import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '@parley/nat/testing';

const START_LIMIT_MS = 30_000;

/** Whether suites that need a real Redis can run on this machine. */
export function hasRedisServer(): boolean {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** A redis-server of a test: on loopback, in memory only, empty after every start. */
export class RedisServer {
  private process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly further: readonly string[],
  ) {}

  static async start(further: readonly string[] = []): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-redis-'));
    const server = new RedisServer(await freePort(), folder, further);
    await server.begin();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts again on the same port, with nothing of what was there. */
  async begin(): Promise<void> {
    const fixed = ['--bind', '127.0.0.1', '--port', String(this.port), '--save', '', '--appendonly', 'no'];
    const child = spawn('redis-server', [...fixed, '--dir', this.folder, ...this.further], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.process = child;
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error('redis-server did not start in time')), START_LIMIT_MS);
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
      createInterface(child.stdout).on('line', (line) => {
        if (!line.includes('Ready to accept connections')) return;
        clearTimeout(limit);
        resolve();
      });
    });
  }

  /** Like a crash of the machine that it runs on. */
  async kill(): Promise<void> {
    const child = this.process;
    this.process = undefined;
    if (!child || child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Takes connections and answers nothing, like a machine that hangs. */
  pause(): void {
    this.process?.kill('SIGSTOP');
  }

  unpause(): void {
    this.process?.kill('SIGCONT');
  }

  /** What redis-cli prints. */
  cli(...args: string[]): string {
    const { stdout } = spawnSync('redis-cli', ['-p', String(this.port), ...args], { encoding: 'utf8' });
    return stdout.trim();
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
