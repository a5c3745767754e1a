import type pg from 'pg';
import { z } from 'zod';
import { SupernodeError } from '../../errors.ts';
import { EXPORT_FORMAT, rowPrefix } from './export-database.ts';
import { appliedMigrations, quoted, transferredTables, type TransferredTable } from './tables.ts';

const headSchema = z.object({ format: z.literal(EXPORT_FORMAT), migrations: z.array(z.string()) });
const endSchema = z.object({ end: z.literal(true), rows: z.int() });
const TABLE = /^\{"table":"([a-z0-9_]+)","row":/;
const BATCH_ROWS = 500;
const BATCH_CHARACTERS = 4_000_000;

/**
 * Fills an empty database of the same schema with what {@link exportLines} gave: all of it or, where anything is wrong,
 * nothing. Needs the role that owns the tables.
 *
 * @returns how many rows there were
 * @throws SupernodeError SN_TRANSFER_REFUSED
 */
export async function importLines(client: pg.ClientBase, lines: AsyncIterable<string>): Promise<number> {
  await client.query('BEGIN');
  try {
    const tables = await transferredTables(client);
    for (const { name } of tables) await prepare(client, name);
    const rows = await insertAll(client, new Map(tables.map((table) => [table.name, table])), lines);
    for (const { name } of tables) await finish(client, name);
    await client.query('COMMIT');
    return rows;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

async function insertAll(
  client: pg.ClientBase,
  tables: ReadonlyMap<string, TransferredTable>,
  lines: AsyncIterable<string>,
): Promise<number> {
  let hasHead = false;
  let rows = 0;
  let batch: { readonly table: TransferredTable; readonly rows: string[]; characters: number } | undefined;
  const flush = async (): Promise<void> => {
    if (batch !== undefined) await insert(client, batch.table, batch.rows);
    batch = undefined;
  };
  for await (const line of lines) {
    if (!hasHead) {
      await checkHead(client, line);
      hasHead = true;
      continue;
    }
    const table = tables.get(TABLE.exec(line)?.[1] ?? '');
    if (table === undefined) {
      await flush();
      const end = endSchema.safeParse(parsed(line));
      if (end.success && end.data.rows === rows) return rows;
      throw refusal(`The file is damaged after ${rows} rows.`);
    }
    if (batch?.table !== table || batch.rows.length >= BATCH_ROWS || batch.characters >= BATCH_CHARACTERS) {
      await flush();
      batch = { table, rows: [], characters: 0 };
    }
    batch.rows.push(line.slice(rowPrefix(table.name).length, -1));
    batch.characters += line.length;
    rows += 1;
  }
  throw refusal(`The file ends after ${rows} rows, before its end.`);
}

async function checkHead(client: pg.ClientBase, line: string): Promise<void> {
  const head = headSchema.safeParse(parsed(line));
  if (!head.success) throw refusal('The file is no export of a supernode.');
  const own = await appliedMigrations(client);
  if (own.join() !== head.data.migrations.join())
    throw refusal('The file was written by another version: export and import with the same one.');
}

async function insert(
  client: pg.ClientBase,
  { name, columns }: TransferredTable,
  rows: readonly string[],
): Promise<void> {
  const names = columns.map(quoted).join(', ');
  await client.query(
    `INSERT INTO ${quoted(name)} (${names}) SELECT ${names} FROM json_populate_recordset(NULL::${quoted(name)}, $1::json)`,
    [`[${rows.join(',')}]`],
  );
}

/** Nobody may write meanwhile, and nothing may be there. Triggers would make rows that are in the file, too. */
async function prepare(client: pg.ClientBase, table: string): Promise<void> {
  await client.query(`LOCK TABLE ${quoted(table)} IN ACCESS EXCLUSIVE MODE`);
  const { rowCount } = await client.query(`SELECT FROM ${quoted(table)} LIMIT 1`);
  if (rowCount !== 0) throw refusal(`The database is not empty: the table ${table} has rows.`);
  await client.query(`ALTER TABLE ${quoted(table)} DISABLE TRIGGER USER`);
}

/** Numbers that the database gives go on after the highest that came. */
async function finish(client: pg.ClientBase, table: string): Promise<void> {
  await client.query(`ALTER TABLE ${quoted(table)} ENABLE TRIGGER USER`);
  const { rows } = await client.query<{ column: string; sequence: string }>(
    `SELECT attname AS column, pg_get_serial_sequence($1::text, attname::text) AS sequence FROM pg_attribute
      WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND pg_get_serial_sequence($1::text, attname::text) IS NOT NULL`,
    [`public.${quoted(table)}`],
  );
  for (const { column, sequence } of rows)
    await client.query(
      `SELECT setval($1::regclass, (SELECT coalesce(max(${quoted(column)}), 0) FROM ${quoted(table)}) + 1, false)`,
      [sequence],
    );
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function refusal(message: string): SupernodeError {
  return new SupernodeError('SN_TRANSFER_REFUSED', message);
}
