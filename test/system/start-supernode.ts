import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '@parley/nat/testing';

/** A supernode process on loopback with a data folder of its own. */
export interface RunningSupernode {
  /** Of the edge gateway. */
  readonly url: string;
  /** The ready line, as the process printed it. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Stops the process in order and deletes its data. */
  stop(): Promise<void>;
  /** Stops the process and keeps its data, for {@link startSupernode} with the same `dataDir`. */
  halt(): Promise<void>;
  /** Ends the process at once (SIGKILL), as a crash would, and keeps its data. */
  kill(): Promise<void>;
  readonly dataDir: string;
}

export interface StartOptions {
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** @default a free one */
  readonly edgePort?: number;
  /** Starts the process, for one that runs elsewhere than on loopback. */
  readonly spawn?: (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess;
}

const START_TIMEOUT_MS = 60_000;
const KEPT_LOG_LINES = 40;

/** Runs `apps/supernode/dist/main.js`, as `npm start` does, and waits until it says that it is ready. */
export async function startSupernode(options: StartOptions = {}): Promise<RunningSupernode> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'parley-system-')));
  const child = (options.spawn ?? spawn)(process.execPath, [mainFile()], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      SUPERNODE_DATA_DIR: join(dataDir, 'supernode'),
      SUPERNODE_HOST: '127.0.0.1',
      SUPERNODE_EDGE_PORT: String(options.edgePort ?? (await freePort())),
      SUPERNODE_ADMIN_PORT: '0',
      SUPERNODE_STUN_PORT: '0',
      SUPERNODE_STUN_ALT_PORT: '0',
      // Relayed peers on loopback are refused unless a lab asks for them.
      SUPERNODE_RELAY_ALLOW_PEERS: '127.0.0.0/8',
      ...options.env,
    },
  });
  const ready = await readyLine(child);
  const halt = () => endProcess(child);
  return {
    url: String(ready['edge']),
    ready,
    dataDir,
    halt,
    kill: () => endProcess(child, 'SIGKILL'),
    stop: async () => {
      await halt();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function mainFile(): string {
  const manifest = createRequire(import.meta.url).resolve('@parley/supernode/package.json');
  return join(dirname(manifest), 'dist', 'main.js');
}

function readyLine(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new TypeError('The process has no pipes.');
  const log: string[] = [];
  createInterface(stderr).on('line', (line) => {
    log.push(line);
    if (log.length > KEPT_LOG_LINES) log.shift();
  });
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error([why, ...log].join('\n')));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail('The supernode did not get ready in time.');
    }, START_TIMEOUT_MS);
    child.once('exit', (code) => {
      clearTimeout(timer);
      fail(`The supernode ended with code ${String(code)}.`);
    });
    createInterface(stdout).on('line', (line) => {
      if (!line.startsWith('{"event":"ready"')) return;
      clearTimeout(timer);
      resolve(JSON.parse(line) as Readonly<Record<string, unknown>>);
    });
  });
}

async function endProcess(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await exited;
  clearTimeout(timer);
}
