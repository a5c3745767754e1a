import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, chmod, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { SupernodeError, errorCodeOf, messageOf } from '../../errors.ts';
import { POSTGRES_MAJOR_VERSION, type PostgresBinaries } from './postgres-binaries.ts';
import type { PostgresLauncher } from './postgres-launcher.ts';

export const SUPERUSER = 'postgres';
const INIT_FOLDER = 'postgres.init';

/** The places of a data folder. */
export interface DataFolder {
  readonly root: string;
  /** The database cluster (PGDATA). */
  readonly cluster: string;
  readonly log: string;
  /** The superuser's password; only the supernode reads it, and only to prepare roles at start. */
  readonly passwordFile: string;
}

/**
 * Creates the data folder where it is missing and closes it to other users.
 *
 * @throws SupernodeError SN_DATA_FOLDER_UNUSABLE
 */
export async function prepareDataFolder(root: string, launcher: PostgresLauncher): Promise<DataFolder> {
  const absolute = path.resolve(root);
  try {
    await mkdir(absolute, { recursive: true, mode: 0o700 });
    await chmod(absolute, 0o700);
    await launcher.handOver(absolute);
  } catch (cause) {
    throw new SupernodeError(
      'SN_DATA_FOLDER_UNUSABLE',
      `The data folder ${absolute} cannot be used: ${messageOf(cause)}. Set SUPERNODE_DATA_DIR to a folder of your own.`,
      { cause },
    );
  }
  return {
    root: absolute,
    cluster: path.join(absolute, 'postgres'),
    log: path.join(absolute, 'postgres.log'),
    passwordFile: path.join(absolute, 'postgres.password'),
  };
}

/**
 * Makes a cluster where there is none, and examines one that exists before the server touches it.
 *
 * @throws SupernodeError SN_DB_VERSION_MISMATCH, SN_DB_CORRUPTED, SN_DB_START_FAILED
 */
export async function prepareCluster(
  folder: DataFolder,
  binaries: PostgresBinaries,
  launcher: PostgresLauncher,
  isDurable: boolean,
): Promise<void> {
  if (!(await exists(folder.cluster))) return createCluster(folder, binaries, launcher, isDurable);
  const version = await readText(path.join(folder.cluster, 'PG_VERSION'));
  if (version === undefined || !(await exists(path.join(folder.cluster, 'global', 'pg_control')))) {
    const isEmpty = (await readdir(folder.cluster)).length === 0;
    throw corrupted(folder, isEmpty ? 'it is empty' : 'PG_VERSION or global/pg_control is missing');
  }
  if (version !== POSTGRES_MAJOR_VERSION) {
    throw new SupernodeError(
      'SN_DB_VERSION_MISMATCH',
      `The data folder ${folder.root} was written by PostgreSQL ${version}; this supernode has ${POSTGRES_MAJOR_VERSION}. ` +
        'Start the version that wrote it and move the data to a PostgreSQL server (pg_dump over its socket, then DATABASE_URL), ' +
        'or set SUPERNODE_DATA_DIR to a new folder or to a restored backup of this version.',
    );
  }
  if ((await readText(folder.passwordFile)) === undefined) {
    throw corrupted(folder, `${path.basename(folder.passwordFile)} is missing`);
  }
  await launcher.handOverTree(folder.cluster);
}

export function corrupted(folder: DataFolder, detail: string): SupernodeError {
  return new SupernodeError(
    'SN_DB_CORRUPTED',
    `The embedded database in ${folder.root} is damaged: ${detail}. Nothing was changed. ` +
      'Restore a backup (parley-supernode restore), or set SUPERNODE_DATA_DIR to a new one.',
  );
}

/** The superuser's password of an existing cluster. */
export async function readSuperuserPassword(folder: DataFolder): Promise<string> {
  const password = await readText(folder.passwordFile);
  if (password === undefined) throw corrupted(folder, `${path.basename(folder.passwordFile)} is missing`);
  return password;
}

/** The cluster is made aside and renamed, so that a start that is interrupted leaves nothing half-made behind. */
async function createCluster(
  folder: DataFolder,
  binaries: PostgresBinaries,
  launcher: PostgresLauncher,
  isDurable: boolean,
): Promise<void> {
  const draft = path.join(folder.root, INIT_FOLDER);
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await launcher.handOver(draft);
  await writeFile(folder.passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
  await launcher.handOver(folder.passwordFile);
  // Tests copy clusters: small log segments (MiB) make them half as large.
  const args = ['-D', draft, '-U', SUPERUSER, '-A', 'scram-sha-256', `--pwfile=${folder.passwordFile}`];
  args.push('-E', 'UTF8', '--no-locale', ...(isDurable ? [] : ['--no-sync', '--wal-segsize=1']));
  const child = launcher.spawn(binaries.initdb, args, ['ignore', 'ignore', 'pipe']);
  let output = '';
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [exitCode] = (await once(child, 'close').catch((cause: unknown) => [messageOf(cause)])) as [unknown];
  if (exitCode !== 0) {
    throw new SupernodeError(
      'SN_DB_START_FAILED',
      `The embedded database cannot be created in ${folder.root}: ${lastLine(output) || String(exitCode)}`,
    );
  }
  await rename(draft, folder.cluster);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim() || undefined;
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
