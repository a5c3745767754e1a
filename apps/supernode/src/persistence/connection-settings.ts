/** How to reach one database as one role. `host` is a folder where the server listens on a Unix socket. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** What `pg` and the Prisma adapter connect with: the fields, or the connection string of an external server. */
export type ConnectionTarget = ConnectionSettings | { readonly connectionString: string };
