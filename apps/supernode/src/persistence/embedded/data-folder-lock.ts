import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { SupernodeError, errorCodeOf } from '../../errors.ts';
import { isProcessAlive, processStart } from './process-identity.ts';

const LOCK_FILE = 'supernode.lock';
const TAKEOVER_ATTEMPTS = 5;

interface LockHolder {
  readonly pid: number;
  readonly start: string | undefined;
  /** Tells two locks of one process apart. */
  readonly id: string;
}

/** Exclusive use of a data folder by one supernode process. */
export interface DataFolderLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of a data folder. A lock whose process is gone (power cut, SIGKILL) is taken over.
 *
 * @throws SupernodeError SN_DATA_FOLDER_LOCKED with the pid of the process that holds it.
 */
export async function lockDataFolder(folder: string): Promise<DataFolderLock> {
  const file = path.join(folder, LOCK_FILE);
  const mine: LockHolder = { pid: process.pid, start: await processStart(process.pid), id: randomUUID() };
  for (let attempt = 0; attempt < TAKEOVER_ATTEMPTS; attempt++) {
    if (await place(file, mine)) return { release: () => release(file, mine) };
    const holder = await readHolder(file);
    if (holder === 'absent') continue;
    if (holder !== 'unreadable' && (await isHeld(holder))) throw locked(folder, holder.pid);
    await discard(file, holder);
  }
  throw locked(folder, undefined);
}

/** Writes the lock whole or not at all: `link` fails where the name exists, and never shows half a file. */
async function place(file: string, holder: LockHolder): Promise<boolean> {
  const draft = `${file}.${holder.id}`;
  await writeFile(draft, JSON.stringify(holder), { mode: 0o600 });
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if (errorCodeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function readHolder(file: string): Promise<LockHolder | 'absent' | 'unreadable'> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return 'absent';
    throw error;
  }
  try {
    const holder = JSON.parse(text) as Partial<LockHolder>;
    if (typeof holder.pid !== 'number' || typeof holder.id !== 'string') return 'unreadable';
    return { pid: holder.pid, start: holder.start, id: holder.id };
  } catch {
    return 'unreadable';
  }
}

/** A process id alone proves nothing: ids are reused, above all in containers, where everything is process 1. */
async function isHeld(holder: LockHolder): Promise<boolean> {
  return (await isProcessAlive(holder.pid)) && (await processStart(holder.pid)) === holder.start;
}

/** Removes a dead lock, unless another process replaced it since we read it: then that one is put back. */
async function discard(file: string, seen: LockHolder | 'unreadable'): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return;
    throw error;
  }
  const moved = await readHolder(aside);
  const isOther = typeof moved === 'object' && (seen === 'unreadable' || moved.id !== seen.id);
  if (isOther) await place(file, moved);
  await rm(aside, { force: true });
}

async function release(file: string, mine: LockHolder): Promise<void> {
  const holder = await readHolder(file);
  if (typeof holder === 'object' && holder.id === mine.id) await rm(file, { force: true });
}

function locked(folder: string, pid: number | undefined): SupernodeError {
  const who = pid === undefined ? 'another process that starts right now' : `process ${pid}`;
  return new SupernodeError(
    'SN_DATA_FOLDER_LOCKED',
    `The data folder ${folder} is used by ${who}. Stop it, or set SUPERNODE_DATA_DIR to another folder.`,
  );
}
