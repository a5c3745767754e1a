import type pg from 'pg';
import { SupernodeError } from '../../errors.ts';

/** A table with the columns that a row brings along; those that the database computes are left out. */
export interface TransferredTable {
  readonly name: string;
  readonly columns: readonly string[];
}

const COLUMNS = `SELECT table_name AS name, array_agg(column_name::text ORDER BY ordinal_position) AS columns
  FROM information_schema.columns
  WHERE table_schema = 'public' AND table_name <> '_prisma_migrations' AND is_generated = 'NEVER'
  GROUP BY table_name ORDER BY table_name`;
const REFERENCES = `SELECT conrelid::regclass::text AS referring, confrelid::regclass::text AS referred FROM pg_constraint
  WHERE connamespace = 'public'::regnamespace AND contype = 'f' AND conrelid <> confrelid`;

/** All tables of the schema, each after those that it refers to; read from the database, so that none is forgotten. */
export async function transferredTables(client: pg.ClientBase): Promise<readonly TransferredTable[]> {
  const { rows: tables } = await client.query<TransferredTable>(COLUMNS);
  const { rows: references } = await client.query<{ referring: string; referred: string }>(REFERENCES);
  const left = new Map(tables.map((table) => [table.name, table]));
  const ordered: TransferredTable[] = [];
  while (left.size > 0) {
    const free = [...left.values()].filter(
      ({ name }) => !references.some(({ referring, referred }) => referring === name && left.has(referred)),
    );
    if (free.length === 0)
      throw new SupernodeError('SN_INVARIANT', 'Tables refer to each other in a circle.');
    for (const table of free) left.delete(table.name);
    ordered.push(...free);
  }
  return ordered;
}

/** The schema that rows fit: they are moved between databases of the same one only. */
export async function appliedMigrations(client: pg.ClientBase): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL ORDER BY 1',
  );
  return rows.map(({ name }) => name);
}

/** Names of this schema are lower-case words; others would need escaping. */
export function quoted(name: string): string {
  if (!/^[a-z_][a-z0-9_]*$/.test(name))
    throw new SupernodeError('SN_INVARIANT', 'A table or column has an unexpected name.');
  return `"${name}"`;
}
