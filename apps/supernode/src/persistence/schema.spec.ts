import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { ConnectionSettings } from './connection-settings.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded/embedded-postgres.ts';
import { MIGRATIONS_FOLDER, migrate } from './migrator.ts';
import { sqlOfSchema } from './testing/schema-engine.ts';

const SCHEMA_FILE = path.resolve(MIGRATIONS_FOLDER, '../schema.prisma');
/** What belongs to the cluster and not to a tenant. */
const WITHOUT_TENANT = [
  '_prisma_migrations',
  'cluster_key',
  'cluster_setting',
  'election_decision',
  'roster',
  'tenant',
];

/** All that Prisma's schema language can say of a database; checks, triggers, collations and indexes with a condition are beyond it. */
const CATALOGUE = {
  columns: `SELECT table_name, column_name, udt_name, datetime_precision, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_prisma_migrations' ORDER BY 1, 2`,
  indexes: `SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' AND indexdef NOT LIKE '% WHERE %' ORDER BY 1, 2`,
  keys: `SELECT conrelid::regclass::text AS on_table, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'f', 'u')
      AND conrelid::regclass::text <> '_prisma_migrations' ORDER BY 1, 2`,
  enums: `SELECT typname, enumlabel, enumsortorder FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid ORDER BY 1, 3`,
};

let folder: string;
let server: EmbeddedPostgres;
let migrated: ConnectionSettings;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'parley-schema-'));
  server = await startEmbeddedPostgres({ dataFolder: folder, isDurable: false });
  await query(server.superuser, 'CREATE DATABASE migrated');
  migrated = { ...server.superuser, database: 'migrated' };
  await migrate(migrated);
}, 60_000);
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
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

describe('migrations', () => {
  it("make the database that Prisma's schema engine makes of prisma/schema.prisma", async () => {
    await query(server.superuser, 'CREATE DATABASE declared');
    const declared = { ...server.superuser, database: 'declared' };
    await query(declared, await sqlOfSchema(SCHEMA_FILE, server.superuser));

    for (const sql of Object.values(CATALOGUE)) {
      const rows = await query(migrated, sql);
      expect(rows.length).toBeGreaterThan(10);
      expect(rows).toEqual(await query(declared, sql));
    }
  }, 60_000);

  it('put the tenant first in the primary key of every table', async () => {
    const firstColumns = await query<{ table: string; first: string }>(
      migrated,
      `SELECT conrelid::regclass::text AS table, attname AS first FROM pg_constraint
         JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
       WHERE connamespace = 'public'::regnamespace AND contype = 'p' ORDER BY 1`,
    );
    const tables = await query(migrated, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'");

    const withoutTenant = firstColumns.filter(({ first }) => first !== 'tenant_id').map(({ table }) => table);
    expect(withoutTenant).toEqual(WITHOUT_TENANT);
    expect(firstColumns).toHaveLength(tables.length);
  });

  it('put the tenant into every reference from one table to another', async () => {
    const references = await query<{ definition: string }>(
      migrated,
      `SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint
       WHERE connamespace = 'public'::regnamespace AND contype = 'f'`,
    );

    expect(references.length).toBeGreaterThan(5);
    for (const { definition } of references) expect(definition).toMatch(/^FOREIGN KEY \(tenant_id/);
  });
});

describe('append-only tables', () => {
  it('refuse changes by every role, but for retention and for the end of a user', async () => {
    await query(migrated, "INSERT INTO tenant (id, name, turn_secret) VALUES ('t', 't', 'x')");
    await query(migrated, "INSERT INTO user_account (tenant_id, user_id) VALUES ('t', 'u')");
    await query(
      migrated,
      `INSERT INTO device_list (tenant_id, user_id, version, payload, signature, signer_key)
       VALUES ('t', 'u', 1, '', '', '')`,
    );
    const entry =
      "INSERT INTO audit_entry (tenant_id, actor, action, target, outcome) VALUES ('t', 'a', 'b', 'c', 'd')";
    await query(migrated, entry);
    const refused = { code: '23001' };

    await expect(query(migrated, "UPDATE audit_entry SET actor = 'x'")).rejects.toMatchObject(refused);
    await expect(query(migrated, 'DELETE FROM audit_entry')).rejects.toMatchObject(refused);
    await expect(query(migrated, 'UPDATE device_list SET version = 2')).rejects.toMatchObject(refused);
    await expect(query(migrated, 'DELETE FROM device_list')).rejects.toMatchObject(refused);
    await query(migrated, "BEGIN; SET LOCAL parley.retention = 'on'; DELETE FROM audit_entry; COMMIT");
    await query(migrated, 'DELETE FROM user_account');

    const left = await query(migrated, 'SELECT 1 FROM audit_entry UNION ALL SELECT 1 FROM device_list');
    expect(left).toEqual([]);
  });
});
