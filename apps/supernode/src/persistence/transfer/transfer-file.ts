import { createReadStream } from 'node:fs';
import { access, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import type { StorageConfig } from '../../config/config.schema.ts';
import { SupernodeError, errorCodeOf } from '../../errors.ts';
import { openDatabase } from '../database.ts';
import { requireDataFolder } from '../embedded/existing-data-folder.ts';
import { migrate } from '../migrator.ts';
import { exportLines } from './export-database.ts';
import { importLines } from './import-database.ts';

/**
 * Writes all of a database to a new file that only its owner may read: it holds keys. The supernode must be stopped, or the
 * file lacks what it writes meanwhile.
 *
 * @returns how many rows there were
 * @throws SupernodeError SN_TRANSFER_REFUSED, SN_DATA_FOLDER_LOCKED, and those of {@link openDatabase}
 */
export async function exportToFile(
  { dataDir, databaseUrl }: Pick<StorageConfig, 'dataDir' | 'databaseUrl'>,
  file: string,
): Promise<number> {
  if (databaseUrl === undefined) await requireDataFolder(dataDir, 'SN_TRANSFER_REFUSED');
  const target = await open(file, 'wx', 0o600).catch((cause: unknown) => {
    const reason = errorCodeOf(cause) === 'EEXIST' ? 'exists already' : 'cannot be written';
    throw new SupernodeError('SN_TRANSFER_REFUSED', `The file ${path.resolve(file)} ${reason}.`, { cause });
  });
  try {
    const rows = await writeLines(
      databaseUrl === undefined ? { dataFolder: dataDir } : { url: databaseUrl },
      (line) => target.appendFile(`${line}\n`),
    );
    await target.sync();
    await target.close();
    return rows;
  } catch (error) {
    await target.close();
    await rm(file, { force: true });
    throw error;
  }
}

/**
 * Fills the empty database of DATABASE_URL from such a file: the way of a standalone deployment to a cluster.
 *
 * @returns how many rows there were
 * @throws SupernodeError SN_TRANSFER_REFUSED, and those of {@link migrate}
 */
export async function importFromFile(
  { databaseUrl }: Pick<StorageConfig, 'databaseUrl'>,
  file: string,
): Promise<number> {
  if (databaseUrl === undefined)
    throw new SupernodeError(
      'SN_TRANSFER_REFUSED',
      'DATABASE_URL is not set: it names the database to fill.',
    );
  await access(file).catch((cause: unknown) => {
    throw new SupernodeError('SN_TRANSFER_REFUSED', `The file ${path.resolve(file)} cannot be read.`, {
      cause,
    });
  });
  const target = { connectionString: databaseUrl };
  await migrate(target);
  const client = new pg.Client(target);
  await client.connect();
  try {
    return await importLines(client, linesOf(file));
  } finally {
    await client.end();
  }
}

/** The file is opened with the first line that is asked for: what a reader emits before anybody listens is lost. */
async function* linesOf(file: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity });
}

async function writeLines(
  options: Parameters<typeof openDatabase>[0],
  write: (line: string) => Promise<void>,
): Promise<number> {
  const database = await openDatabase(options);
  try {
    const client = await database.prisma.connections.connect();
    let lines = 0;
    try {
      for await (const line of exportLines(client)) {
        await write(line);
        lines += 1;
      }
    } finally {
      client.release();
    }
    return lines - 2; // head and end
  } finally {
    await database.close();
  }
}
