import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { ConnectionSettings } from './connection-settings.ts';

/** Owns the database and its tables, runs migrations, is no superuser. */
export const OWNER_ROLE = 'parley_owner';
/** What the application works as: reads and writes rows, changes no table, is no superuser. */
export const APP_ROLE = 'parley_app';
export const DATABASE = 'parley';

/** Tables that the application may add to but never change. */
const APPEND_ONLY_TABLES = ['audit_entry', 'device_list'];

/** The two roles with passwords that live as long as this process. */
export interface DatabaseRoles {
  readonly owner: ConnectionSettings;
  readonly app: ConnectionSettings;
}

/** Makes roles and the database where they are missing and gives both roles new passwords; safe to repeat. */
export async function prepareRoles(superuser: ConnectionSettings): Promise<DatabaseRoles> {
  const owner = { ...superuser, user: OWNER_ROLE, password: newPassword(), database: DATABASE };
  const app = { ...superuser, user: APP_ROLE, password: newPassword(), database: DATABASE };
  await withClient(superuser, async (client) => {
    for (const { user, password } of [owner, app]) {
      const found = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [user]);
      const verb = found.rowCount === 0 ? 'CREATE' : 'ALTER';
      await client.query(
        `${verb} ROLE ${user} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '${password}'`,
      );
    }
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE} OWNER ${OWNER_ROLE}`);
    await client.query(`REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC`);
    await client.query(`GRANT CONNECT ON DATABASE ${DATABASE} TO ${APP_ROLE}`);
  });
  return { owner, app };
}

/** Gives the application's role its rights on the tables; called by the owner after migrations. */
export async function grantAppRights(owner: ConnectionSettings): Promise<void> {
  await withClient(owner, async (client) => {
    await client.query(`GRANT USAGE ON SCHEMA public TO ${APP_ROLE}`);
    await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${APP_ROLE}`);
    await client.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${APP_ROLE}`);
    await client.query(`REVOKE UPDATE, DELETE ON ${APPEND_ONLY_TABLES.join(', ')} FROM ${APP_ROLE}`);
    await client.query(`REVOKE INSERT, UPDATE, DELETE ON "_prisma_migrations" FROM ${APP_ROLE}`);
  });
}

/** base64url, so that it needs no quoting in SQL (a role's password cannot be a bound parameter). */
function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

async function withClient(
  target: ConnectionSettings,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ ...target });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
