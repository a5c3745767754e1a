/**
 * One process per identity folder. The lock file names its holder by process id and, where the system tells it, by start
 * time, so that a lock left by a crash is taken over and a recycled process id is not mistaken for the holder.
 */
import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { edgeError } from '../errors.ts';
import { isMissing } from './file-errors.ts';

interface Holder {
  readonly pid: number;
  readonly startedAt: string | null;
}

/** Gives the lock free. */
export type ReleaseLock = () => Promise<void>;

/** Locks of this very process: its own process id is always alive, so the file alone can't tell. */
const heldHere = new Set<string>();

/** @throws EDGE_IDENTITY_LOCKED */
export async function lockFolder(path: string): Promise<ReleaseLock> {
  if (heldHere.has(path)) throw edgeError('EDGE_IDENTITY_LOCKED');
  heldHere.add(path);
  try {
    await acquire(path);
  } catch (thrown) {
    heldHere.delete(path);
    throw thrown;
  }
  return async () => {
    if (heldHere.delete(path)) await rm(path, { force: true });
  };
}

async function acquire(path: string): Promise<void> {
  const self: Holder = { pid: process.pid, startedAt: await startTimeOf(process.pid) };
  if (await create(path, self)) return;
  const text = await readFile(path, 'utf8').catch((thrown: unknown) => {
    if (isMissing(thrown)) return '';
    throw thrown;
  });
  if (await isAlive(parseHolder(text))) throw edgeError('EDGE_IDENTITY_LOCKED');
  await takeAside(path, text);
  if (!(await create(path, self))) throw edgeError('EDGE_IDENTITY_LOCKED');
}

async function create(path: string, holder: Holder): Promise<boolean> {
  // Written aside and linked into place: the lock file never exists half-written.
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(JSON.stringify(holder));
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes a dead holder's lock; a lock that changed in between belongs to another process and is put back. */
async function takeAside(path: string, expected: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (thrown) {
    if (isMissing(thrown)) return;
    throw thrown;
  }
  const found = await readFile(aside, 'utf8');
  if (found !== expected) {
    await link(aside, path).catch((thrown: unknown) => {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    });
  }
  await rm(aside, { force: true });
  if (found !== expected) throw edgeError('EDGE_IDENTITY_LOCKED');
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    if (typeof value?.pid !== 'number') return undefined;
    return { pid: value.pid, startedAt: typeof value.startedAt === 'string' ? value.startedAt : null };
  } catch {
    return undefined;
  }
}

async function isAlive(holder: Holder | undefined): Promise<boolean> {
  if (!holder) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (thrown) {
    // EPERM: it lives, but belongs to somebody else.
    if ((thrown as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const startedAt = await startTimeOf(holder.pid);
  return holder.startedAt === null || startedAt === null || startedAt === holder.startedAt;
}

/** Field 22 of /proc/<pid>/stat (clock ticks since boot); null where the system has no such file. */
async function startTimeOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch (thrown) {
    if (isMissing(thrown)) return null;
    throw thrown;
  }
}
