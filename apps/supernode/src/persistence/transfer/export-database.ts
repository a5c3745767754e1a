import type pg from 'pg';
import { appliedMigrations, quoted, transferredTables } from './tables.ts';

export const EXPORT_FORMAT = 'parley-export-1';
const ROWS_AT_ONCE = 500;

/**
 * All rows of a database as lines of JSON, at one moment: a head, one line for each row in an order in which they can be
 * inserted, and an end that says how many there were. Rows are JSON of the database's own making: no value is read on the
 * way, so that none is rounded.
 */
export async function* exportLines(client: pg.ClientBase): AsyncGenerator<string> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    yield JSON.stringify({ format: EXPORT_FORMAT, migrations: await appliedMigrations(client) });
    let rows = 0;
    for (const { name } of await transferredTables(client)) {
      for await (const row of rowsOf(client, name)) {
        rows += 1;
        yield `${rowPrefix(name)}${row}}`;
      }
    }
    yield JSON.stringify({ end: true, rows });
  } finally {
    await client.query('ROLLBACK');
  }
}

/** What precedes the row itself in its line. */
export function rowPrefix(table: string): string {
  return `{"table":"${table}","row":`;
}

async function* rowsOf(client: pg.ClientBase, table: string): AsyncGenerator<string> {
  await client.query(
    `DECLARE exported NO SCROLL CURSOR FOR SELECT row_to_json(t)::text AS row FROM ${quoted(table)} t`,
  );
  for (;;) {
    const { rows } = await client.query<{ row: string }>(`FETCH ${ROWS_AT_ONCE} FROM exported`);
    for (const { row } of rows) yield row;
    if (rows.length < ROWS_AT_ONCE) break;
  }
  await client.query('CLOSE exported');
}
