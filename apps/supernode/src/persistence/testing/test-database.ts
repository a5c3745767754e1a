import { createHash, randomUUID } from 'node:crypto';
import { access, cp, mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openDatabase } from '../database.ts';
import { MIGRATIONS_FOLDER } from '../migrator.ts';
import type { PrismaService } from '../prisma.service.ts';

const CACHE = path.resolve(import.meta.dirname, '../../../../../node_modules/.cache/parley');

/** A real PostgreSQL of its own for one suite. */
export interface TestDatabase {
  readonly prisma: PrismaService;
  readonly dataFolder: string;
  /** Makes a tenant and returns its id: tests of one suite share the database and keep to their own tenant. */
  newTenant(): Promise<string>;
  close(): Promise<void>;
}

/**
 * Opens an embedded database with all migrations applied, in a folder of its own. Creating one takes seconds; so it is
 * made once for each state of the migrations, kept beside node_modules, and copied (about a quarter of a second).
 */
export async function openTestDatabase(): Promise<TestDatabase> {
  const folder = await mkdtemp(path.join(tmpdir(), 'parley-test-'));
  await seedDataFolder(folder);
  const database = await openDatabase({ dataFolder: folder, isDurable: false });
  return {
    prisma: database.prisma,
    dataFolder: folder,
    newTenant: async () => {
      const id = `tenant-${randomUUID()}`;
      await database.prisma.tenant.create({ data: { id, name: id, turnSecret: randomUUID() } });
      return id;
    },
    close: async () => {
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Fills a new data folder with a database that is ready, so that a supernode under test need not create one. */
export async function seedDataFolder(folder: string): Promise<void> {
  await cp(await template(), folder, { recursive: true });
}

async function template(): Promise<string> {
  const folder = path.join(CACHE, `test-database-${await fingerprint()}`);
  if (await exists(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(path.join(CACHE, 'draft-'));
  const database = await openDatabase({ dataFolder: draft, isDurable: false });
  await database.close();
  try {
    await rename(draft, folder);
  } catch (error) {
    // Another worker was first; its template is as good.
    await rm(draft, { recursive: true, force: true });
    if (!(await exists(folder))) throw error;
  }
  return folder;
}

async function fingerprint(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(MIGRATIONS_FOLDER)).sort()) {
    const file = path.join(MIGRATIONS_FOLDER, name, 'migration.sql');
    if (await exists(file)) hash.update(name).update(await readFile(file));
  }
  hash.update(await readFile(path.join(import.meta.dirname, '../../../package.json')));
  return hash.digest('hex').slice(0, 16);
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
