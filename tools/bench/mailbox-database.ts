import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** The part of the supernode's database driver that is used here. */
interface DatabaseClient {
  connect(): Promise<unknown>;
  query(sql: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
  end(): Promise<void>;
}

interface Driver {
  readonly Client: new (settings: object) => DatabaseClient;
}

interface CopyRow {
  readonly tenant_id: string;
  readonly device_id: string;
  readonly cursor: string;
  readonly sender_user_id: string;
  readonly sender_device_id: string;
  readonly message_id: string;
  readonly scheme: string;
  readonly sealed: Buffer;
  readonly is_request: boolean;
  readonly stored_at: Date;
}

/** Column types of the table of copies. */
const COLUMNS: Readonly<Record<keyof CopyRow, string>> = {
  tenant_id: 'text',
  device_id: 'text',
  cursor: 'bigint',
  sender_user_id: 'text',
  sender_device_id: 'text',
  message_id: 'text',
  scheme: 'text',
  sealed: 'bytea',
  is_request: 'boolean',
  stored_at: 'timestamptz',
};

/** The supernode's embedded database, by its own driver, as superuser over its socket. */
export class MailboxDatabase {
  readonly #client: DatabaseClient;

  private constructor(client: DatabaseClient) {
    this.#client = client;
  }

  static async open(dataFolder: string): Promise<MailboxDatabase> {
    const fromSupernode = createRequire(new URL('../../../apps/supernode/package.json', import.meta.url));
    const { Client } = fromSupernode('pg') as Driver;
    const client = new Client({
      host: join(dataFolder, 'run'),
      port: 5432,
      user: 'postgres',
      password: (await readFile(join(dataFolder, 'postgres.password'), 'utf8')).trim(),
      database: 'parley',
    });
    await client.connect();
    return new MailboxDatabase(client);
  }

  /** How many copies were ever stored, in all mailboxes. */
  async storedSoFar(): Promise<number> {
    const { rows } = await this.#client.query('SELECT sum(last_cursor)::int AS stored FROM mailbox');
    return (rows as readonly { readonly stored: number }[])[0]?.stored ?? Number.NaN;
  }

  /** The copies that lie in mailboxes now. */
  async copies(): Promise<readonly CopyRow[]> {
    const { rows } = await this.#client.query('SELECT * FROM mailbox_copy ORDER BY device_id, cursor');
    return rows as readonly CopyRow[];
  }

  /**
   * Rows per second that the database commits into an empty table with the same columns, keys and indexes: the given
   * rows, so many per transaction, one transaction after another, again and again with new cursors and message ids.
   */
  async insertRate(copies: readonly CopyRow[], perCommit: number, ms: number): Promise<number> {
    await this.#client.query('DROP TABLE IF EXISTS bench_copy');
    await this.#client.query('CREATE TABLE bench_copy (LIKE mailbox_copy INCLUDING ALL)');
    const names = Object.keys(COLUMNS) as (keyof CopyRow)[];
    const types = names.map((name, at) => `$${at + 1}::${COLUMNS[name]}[]`);
    const sql = `INSERT INTO bench_copy (${names.join(', ')}) SELECT * FROM unnest(${types.join(', ')})`;
    const began = performance.now();
    let inserted = 0;
    while (performance.now() - began < ms) {
      const batch = Array.from({ length: perCommit }, (_, at) => {
        const number = inserted + at;
        return { ...pick(copies, number), cursor: String(number), message_id: `m${number}` };
      });
      await this.#client.query(
        sql,
        names.map((name) => batch.map((row) => row[name])),
      );
      inserted += perCommit;
    }
    const perSecond = inserted / ((performance.now() - began) / 1_000);
    await this.#client.query('DROP TABLE bench_copy');
    return perSecond;
  }

  close(): Promise<void> {
    return this.#client.end();
  }
}

function pick(copies: readonly CopyRow[], number: number): CopyRow {
  const copy = copies[number % copies.length];
  if (!copy) throw new TypeError('there are no copies to take as a pattern');
  return copy;
}
