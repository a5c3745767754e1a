import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Network } from '../network/network.ts';

const START_DEADLINE_MS = 60_000;
const ENTRY = fileURLToPath(new URL('../../../apps/supernode/dist/main.js', import.meta.url));

export class SupernodeStartError extends Error {
  override readonly name = 'SupernodeStartError';
}

/** A standalone supernode as an operator would start it. */
export interface SupernodeProcess {
  readonly url: string;
  /** Datagrams that its relay forwarded so far, by its own count. */
  relayedDatagrams(): Promise<number>;
  /** Asks it to drain; resolves with its exit code. */
  stop(): Promise<number | null>;
}

/** @throws SupernodeStartError when it ends, or does not say that it is ready, in time */
export async function startSupernode(
  network: Pick<Network, 'spawn' | 'supernodeEnvironment'>,
  dataDir: string,
): Promise<SupernodeProcess> {
  const adminKey = randomBytes(32).toString('base64url');
  const child = network.spawn('supernode', [ENTRY], {
    ...process.env,
    SUPERNODE_DATA_DIR: dataDir,
    SUPERNODE_EDGE_PORT: '0',
    SUPERNODE_ADMIN_PORT: '0',
    SUPERNODE_ADMIN_KEY: adminKey,
    SUPERNODE_LOG_LEVEL: 'error',
    ...network.supernodeEnvironment,
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const { edge, admin } = await readyOf(child, exited);
  return {
    url: edge,
    relayedDatagrams: () => relayedDatagrams(admin, adminKey),
    stop: () => {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

interface Ready {
  readonly edge: string;
  readonly admin: string;
}

async function readyOf(child: ChildProcess, exited: Promise<number | null>): Promise<Ready> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = new SupernodeStartError(`the supernode was not ready within ${START_DEADLINE_MS} ms`);
    timer = setTimeout(() => reject(error), START_DEADLINE_MS);
  });
  const ended = exited.then((code) => {
    throw new SupernodeStartError(`the supernode ended with code ${code ?? 'none'} before it was ready`);
  });
  try {
    return await Promise.race([readyLineOf(child), ended, late]);
  } finally {
    clearTimeout(timer);
    ended.catch(() => undefined); // ends after it was ready: no concern of the start
  }
}

/** `{"event":"ready","edge":…}` is the first line on its standard output (DESIGN section 10). */
async function readyLineOf(child: ChildProcess): Promise<Ready> {
  if (!child.stdout) throw new SupernodeStartError('the standard output of the supernode is not open');
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, edge, admin } = JSON.parse(line) as Partial<Record<'event' | 'edge' | 'admin', unknown>>;
    if (event === 'ready' && typeof edge === 'string' && typeof admin === 'string') return { edge, admin };
  }
  throw new SupernodeStartError('the supernode closed its standard output before it was ready');
}

async function relayedDatagrams(admin: string, key: string): Promise<number> {
  const response = await fetch(new URL('/metrics', admin), { headers: { authorization: `Bearer ${key}` } });
  const lines = (await response.text()).matchAll(/^parley_relay_datagrams\{[^}]*\} (\d+)$/gm);
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}
