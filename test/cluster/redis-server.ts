import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { freePort } from '@parley/nat/testing';
import { ClusterError } from './errors.ts';
import { endProcess, hasEnded, type ProcessGroup } from './process-group.ts';
import { ServerLog } from './server-log.ts';
import { answerOf, LOOPBACK, until } from './waiting.ts';

const PROGRAM = 'redis-server';
const START_MS = 10_000;

/** Whether a cluster can run here; the reason if not. */
export async function redisAvailability(): Promise<{ readonly reason: string } | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  for (const folder of folders) {
    const found = await access(join(folder, PROGRAM), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return undefined;
  }
  return { reason: `${PROGRAM} is not installed (Debian: apt-get install redis-server)` };
}

/** A real Redis on a port of loopback that keeps nothing: each start is empty. */
export class RedisServer {
  readonly #group: ProcessGroup;
  readonly #log: ServerLog;
  #child: ChildProcess | undefined;

  private constructor(
    group: ProcessGroup,
    readonly port: number,
  ) {
    this.#group = group;
    this.#log = new ServerLog(join(group.folder, 'redis.log'));
  }

  /** @throws ClusterError PROGRAM_MISSING, START_FAILED */
  static async start(group: ProcessGroup): Promise<RedisServer> {
    const missing = await redisAvailability();
    if (missing) throw new ClusterError('PROGRAM_MISSING', missing.reason);
    const server = new RedisServer(group, await freePort());
    await server.start();
    return server;
  }

  /** Again, after {@link kill}. @throws ClusterError START_FAILED */
  async start(): Promise<void> {
    const output = await this.#log.append();
    const options = {
      port: String(this.port),
      bind: LOOPBACK,
      save: '',
      appendonly: 'no',
      dir: this.#group.folder,
      // A small machine that does other things too must not lose connections to its own disk or memory guard.
      'tcp-backlog': '511',
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    const child = this.#group.spawn(PROGRAM, args, { stdio: ['ignore', output.fd, output.fd] });
    await output.close();
    this.#child = child;
    const ready = await until(
      'Redis',
      async () => {
        if (hasEnded(child)) return 'ended';
        return (await answerOf(this.port, 'PING\r\n'))?.startsWith('+PONG') === true ? 'ready' : undefined;
      },
      START_MS,
    );
    if (ready === 'ended') throw new ClusterError('START_FAILED', await this.#log.tail());
  }

  /** All that it held is gone. */
  async kill(): Promise<void> {
    if (this.#child) await endProcess(this.#child, 'SIGKILL');
  }

  get pid(): number {
    return this.#child?.pid ?? Number.NaN;
  }
}
