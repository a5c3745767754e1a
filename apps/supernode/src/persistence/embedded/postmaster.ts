import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SupernodeError, errorCodeOf } from '../../errors.ts';
import { isProcessAlive, processCommand } from './process-identity.ts';

const POLL_MS = 20;
const FAST_STOP_MS = 20_000;
const IMMEDIATE_STOP_MS = 10_000;

/** What a running server says about itself in `postmaster.pid` (miscadmin.h of PostgreSQL). */
interface PostmasterFile {
  readonly pid: number;
  readonly isReady: boolean;
}

async function readPostmasterFile(cluster: string): Promise<PostmasterFile | undefined> {
  try {
    const lines = (await readFile(path.join(cluster, 'postmaster.pid'), 'utf8')).split('\n');
    const pid = Number(lines[0]);
    return Number.isSafeInteger(pid) && pid > 0 ? { pid, isReady: lines[7]?.trim() === 'ready' } : undefined;
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Resolves when the server with this process id accepts connections; the caller races it against the exit. */
export async function waitUntilReady(cluster: string, pid: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const state = await readPostmasterFile(cluster);
    if (state?.pid === pid && state.isReady) return;
    await delay(POLL_MS, undefined, { signal });
  }
}

/** Fast shutdown (SIGINT), then an immediate one (SIGQUIT), which recovers from the log at the next start. */
export async function stopServer(pid: number, hasExited: () => boolean | Promise<boolean>): Promise<void> {
  for (const [name, limitMs] of [
    ['SIGINT', FAST_STOP_MS],
    ['SIGQUIT', IMMEDIATE_STOP_MS],
  ] as const) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (errorCodeOf(error) === 'ESRCH') return;
      throw error;
    }
    const deadline = performance.now() + limitMs;
    while (performance.now() < deadline) {
      if (await hasExited()) return;
      await delay(POLL_MS);
    }
  }
  throw new SupernodeError('SN_DB_START_FAILED', `The database server (process ${pid}) does not stop.`);
}

/**
 * A supernode that was killed leaves its server running. The caller holds the folder's lock, so a server that is still
 * there is nobody's: it is stopped in order, and a `postmaster.pid` whose process is something else is removed.
 */
export async function stopOrphan(cluster: string): Promise<'none' | 'stopped' | 'cleared'> {
  const left = await readPostmasterFile(cluster);
  // Where the process is gone the server decides itself: it also looks for its own left-over children.
  if (left === undefined || !(await isProcessAlive(left.pid))) return 'none';
  if ((await processCommand(left.pid))?.includes(cluster) === true) {
    await stopServer(left.pid, async () => !(await isProcessAlive(left.pid)));
    return 'stopped';
  }
  await rm(path.join(cluster, 'postmaster.pid'), { force: true });
  return 'cleared';
}
