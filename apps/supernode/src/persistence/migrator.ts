import { createHash, randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { SupernodeError, messageOf } from '../errors.ts';
import type { ConnectionTarget } from './connection-settings.ts';

/** Where the SQL migrations are, from the source folder and from the built one. */
export const MIGRATIONS_FOLDER = path.resolve(import.meta.dirname, '../../../../prisma/migrations');

/** The advisory lock that Prisma's own engine takes, so that the two never migrate at the same time. */
const MIGRATION_LOCK = 72707369;
const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`;

interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

interface AppliedRow {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished_at: Date | null;
}

/**
 * Brings a database to the schema of this version: the same files, the same table and the same checksums as
 * `prisma migrate deploy`, without its native engine. Several supernodes may call it at once.
 *
 * @returns the names of the migrations that were applied now.
 * @throws SupernodeError SN_DB_UNREACHABLE, SN_DB_SCHEMA_NEWER, SN_DB_MIGRATION_BROKEN
 */
export async function migrate(target: ConnectionTarget, folder = MIGRATIONS_FOLDER): Promise<string[]> {
  const migrations = await readMigrations(folder);
  const client = new pg.Client({ ...target });
  try {
    await client.connect();
  } catch (cause) {
    throw new SupernodeError('SN_DB_UNREACHABLE', `The database cannot be reached: ${messageOf(cause)}`, {
      cause,
    });
  }
  try {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await client.query(MIGRATIONS_TABLE);
    const pending = pendingOf(migrations, await readApplied(client));
    for (const migration of pending) await apply(client, migration);
    return pending.map((migration) => migration.name);
  } finally {
    await client.end(); // frees the lock too
  }
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(path.join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function readApplied(client: pg.Client): Promise<AppliedRow[]> {
  const result = await client.query<AppliedRow>(
    'SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL',
  );
  return result.rows;
}

function pendingOf(migrations: readonly Migration[], applied: readonly AppliedRow[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const row of applied) {
    const migration = known.get(row.migration_name);
    if (migration === undefined) {
      throw new SupernodeError(
        'SN_DB_SCHEMA_NEWER',
        `The database holds the migration ${row.migration_name}, which this version does not know: it was used by a newer supernode. Install that version, or restore a copy from before the upgrade.`,
      );
    }
    if (row.finished_at === null) {
      throw new SupernodeError(
        'SN_DB_MIGRATION_BROKEN',
        `The migration ${row.migration_name} failed before and must be resolved first.`,
      );
    }
    if (row.checksum !== migration.checksum) {
      throw new SupernodeError(
        'SN_DB_MIGRATION_BROKEN',
        `The migration ${row.migration_name} was changed after it was applied.`,
      );
    }
  }
  const done = new Set(applied.map((row) => row.migration_name));
  return migrations.filter((migration) => !done.has(migration.name));
}

/** One transaction for the statements and the row about them: a migration is applied whole or not at all. */
async function apply(client: pg.Client, migration: Migration): Promise<void> {
  const started = new Date();
  await client.query('BEGIN');
  try {
    await client.query(migration.sql);
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, started_at, finished_at, migration_name, applied_steps_count)
       VALUES ($1, $2, $3, now(), $4, 1)`,
      [randomUUID(), migration.checksum, started, migration.name],
    );
    await client.query('COMMIT');
  } catch (cause) {
    await client.query('ROLLBACK');
    throw new SupernodeError(
      'SN_DB_MIGRATION_BROKEN',
      `The migration ${migration.name} failed: ${messageOf(cause)}`,
      { cause },
    );
  }
}
