import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { ConnectionSettings } from './connection-settings.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded/embedded-postgres.ts';
import { MIGRATIONS_FOLDER, migrate } from './migrator.ts';

let root: string;
let server: EmbeddedPostgres;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'parley-migrator-'));
  server = await startEmbeddedPostgres({ dataFolder: path.join(root, 'data'), isDurable: false });
}, 60_000);
afterAll(async () => {
  await server.stop();
  await rm(root, { recursive: true, force: true });
});

async function query<Row extends pg.QueryResultRow>(target: ConnectionSettings, sql: string): Promise<Row[]> {
  const client = new pg.Client({ ...target });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function emptyDatabase(name: string): Promise<ConnectionSettings> {
  await query(server.superuser, `CREATE DATABASE ${name}`);
  return { ...server.superuser, database: name };
}

async function migrationsFolder(name: string, migrations: Record<string, string>): Promise<string> {
  const folder = path.join(root, name);
  for (const [migration, sql] of Object.entries(migrations)) {
    await mkdir(path.join(folder, migration), { recursive: true });
    await writeFile(path.join(folder, migration, 'migration.sql'), sql);
  }
  return folder;
}

const MIGRATIONS = [
  '20261122000000_init',
  '20261122120000_mailbox_functions',
  '20261123000000_election',
  '20261123100000_directory_search',
];

describe('migrate', () => {
  it('brings an empty database to the schema, once, and leaves the rows that Prisma expects', async () => {
    const database = await emptyDatabase('fresh');

    expect(await migrate(database)).toEqual(MIGRATIONS);
    expect(await migrate(database)).toEqual([]);

    const rows = await query(database, 'SELECT * FROM _prisma_migrations');
    expect(rows).toEqual(
      MIGRATIONS.map((name) => ({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
        finished_at: expect.anything(),
        migration_name: name,
        logs: null,
        rolled_back_at: null,
        started_at: expect.anything(),
        applied_steps_count: 1,
      })),
    );
  });

  it('lets one of several supernodes that start together apply a migration', async () => {
    const database = await emptyDatabase('together');

    const applied = await Promise.all([migrate(database), migrate(database), migrate(database)]);

    expect(applied.flat()).toEqual(MIGRATIONS);
  });

  it('refuses a database that a newer version migrated', async () => {
    const database = await emptyDatabase('newer');
    const newer = path.join(root, 'newer');
    await cp(MIGRATIONS_FOLDER, newer, { recursive: true });
    await mkdir(path.join(newer, '20991231000000_future'));
    await writeFile(path.join(newer, '20991231000000_future/migration.sql'), 'SELECT 1');
    await migrate(database, newer);

    await expect(migrate(database)).rejects.toMatchObject({
      code: 'SN_DB_SCHEMA_NEWER',
      message: expect.stringContaining('20991231000000_future'),
    });
  });

  it('refuses a migration that was edited after it was applied', async () => {
    const database = await emptyDatabase('edited');
    await migrate(database, await migrationsFolder('edited-before', { '1_a': 'CREATE TABLE a ()' }));

    const edited = await migrationsFolder('edited-after', { '1_a': 'CREATE TABLE b ()' });

    await expect(migrate(database, edited)).rejects.toMatchObject({ code: 'SN_DB_MIGRATION_BROKEN' });
  });

  it('applies a migration whole or not at all, and keeps those before it', async () => {
    const database = await emptyDatabase('whole');
    const folder = await migrationsFolder('whole', {
      '1_good': 'CREATE TABLE good ()',
      '2_bad': 'CREATE TABLE half (); SELECT 1 / 0',
    });

    await expect(migrate(database, folder)).rejects.toMatchObject({
      code: 'SN_DB_MIGRATION_BROKEN',
      message: 'The migration 2_bad failed: division by zero',
    });

    const tables = await query(
      database,
      "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
    );
    expect(tables).toEqual([{ tablename: '_prisma_migrations' }, { tablename: 'good' }]);
  });

  it('refuses to go on after a migration that another tool left unfinished', async () => {
    const database = await emptyDatabase('unfinished');
    await migrate(database);
    await query(database, 'UPDATE _prisma_migrations SET finished_at = NULL');

    await expect(migrate(database)).rejects.toMatchObject({ code: 'SN_DB_MIGRATION_BROKEN' });
  });

  it('reports a server that is not there as an error that may pass', async () => {
    const nowhere = { ...server.superuser, host: path.join(root, 'nowhere') };

    await expect(migrate(nowhere)).rejects.toMatchObject({ code: 'SN_DB_UNREACHABLE', retryable: true });
  });
});
