import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { SupernodeError, errorCodeOf } from '../../errors.ts';
import { lockDataFolder } from './data-folder-lock.ts';
import { prepareCluster, prepareDataFolder } from './embedded-cluster.ts';
import { locatePostgresBinaries } from './postgres-binaries.ts';
import { PostgresLauncher } from './postgres-launcher.ts';
import { stopOrphan } from './postmaster.ts';

/** What of a data folder is data: the cluster and its password. */
const CONTENT = ['postgres', 'postgres.password'];

/**
 * Copies a data folder whose supernode is stopped. A copy is whole or absent: it is made under another name first.
 *
 * @throws SupernodeError SN_DATA_FOLDER_LOCKED while a supernode runs, SN_BACKUP_REFUSED, SN_DB_CORRUPTED,
 * SN_DB_VERSION_MISMATCH
 */
export async function backUpDataFolder(source: string, target: string): Promise<void> {
  await refuseUnlessFree(target, 'The target of a backup');
  const launcher = await PostgresLauncher.detect();
  if ((await namesIn(source)).length === 0)
    throw refusal(`The data folder ${path.resolve(source)} is empty or absent.`);
  const folder = await prepareDataFolder(source, launcher);
  const lock = await lockDataFolder(folder.root);
  try {
    await stopOrphan(folder.cluster);
    if (!(await namesIn(folder.root)).includes('postgres'))
      throw refusal(`${folder.root} holds no database.`);
    await prepareCluster(folder, await locatePostgresBinaries(), launcher, true);
    await copyContent(folder.root, target);
  } finally {
    await lock.release();
  }
}

/**
 * Makes a data folder of a copy. The folder must be new: nothing is ever overwritten.
 *
 * @throws SupernodeError SN_BACKUP_REFUSED
 */
export async function restoreDataFolder(copy: string, target: string): Promise<void> {
  await refuseUnlessFree(target, 'The data folder');
  const names = await namesIn(copy);
  if (!CONTENT.every((name) => names.includes(name)))
    throw refusal(`${path.resolve(copy)} is no backup of a data folder.`);
  await copyContent(copy, target);
}

async function copyContent(from: string, to: string): Promise<void> {
  const draft = `${path.resolve(to)}.partial`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true, mode: 0o700 });
  for (const name of CONTENT) {
    await cp(path.join(from, name), path.join(draft, name), { recursive: true, preserveTimestamps: true });
  }
  await rm(to, { recursive: true, force: true }); // empty, as was checked
  await rename(draft, to);
}

async function refuseUnlessFree(folder: string, what: string): Promise<void> {
  if ((await namesIn(folder)).length > 0) throw refusal(`${what} (${path.resolve(folder)}) is not empty.`);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return [];
    throw refusal(`${path.resolve(folder)} is no folder that can be read.`);
  }
}

function refusal(message: string): SupernodeError {
  return new SupernodeError('SN_BACKUP_REFUSED', `${message} Nothing was changed.`);
}
