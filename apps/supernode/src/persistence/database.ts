import { SupernodeError, messageOf } from '../errors.ts';
import { grantAppRights, prepareRoles } from './database-roles.ts';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './embedded/embedded-postgres.ts';
import type { InterruptionOutcome } from './embedded/postgres-supervisor.ts';
import { migrate } from './migrator.ts';
import { PrismaService } from './prisma.service.ts';

/** An open database at the schema of this version. */
export interface Database {
  readonly prisma: PrismaService;
  readonly mode: 'embedded' | 'external';
  /** Names of the migrations that opening applied. */
  readonly appliedMigrations: readonly string[];
  readonly recoveredFrom: EmbeddedPostgres['recoveredFrom'];
  /** Called each time that the embedded server ended without having been asked to. */
  onInterruption(listener: (outcome: InterruptionOutcome) => void): void;
  close(): Promise<void>;
}

/** Where the durable data is: an external server, or a data folder of our own. */
export type DatabaseOptions = { readonly url: string } | EmbeddedPostgresOptions;

/**
 * Opens the database and applies migrations.
 *
 * @throws SupernodeError of {@link startEmbeddedPostgres} and {@link migrate}
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  return 'url' in options ? openExternal(options.url) : openEmbedded(options);
}

async function openExternal(url: string): Promise<Database> {
  const target = { connectionString: url };
  const appliedMigrations = await migrate(target);
  const prisma = await connect(new PrismaService(target));
  return {
    prisma,
    mode: 'external',
    appliedMigrations,
    recoveredFrom: 'none',
    onInterruption: () => undefined,
    close: () => prisma.$disconnect(),
  };
}

async function openEmbedded(options: EmbeddedPostgresOptions): Promise<Database> {
  const server = await startEmbeddedPostgres(options);
  try {
    const roles = await prepareRoles(server.superuser);
    const appliedMigrations = await migrate(roles.owner);
    await grantAppRights(roles.owner);
    const prisma = await connect(new PrismaService(roles.app));
    return {
      prisma,
      mode: 'embedded',
      appliedMigrations,
      recoveredFrom: server.recoveredFrom,
      onInterruption: (listener) => server.onInterruption(listener),
      close: async () => {
        await prisma.$disconnect();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function connect(prisma: PrismaService): Promise<PrismaService> {
  try {
    await prisma.$queryRaw`SELECT 1`;
    return prisma;
  } catch (cause) {
    await prisma.$disconnect();
    throw new SupernodeError('SN_DB_UNREACHABLE', `The database cannot be reached: ${messageOf(cause)}`, {
      cause,
    });
  }
}
