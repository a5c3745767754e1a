import { access } from 'node:fs/promises';
import path from 'node:path';
import { SupernodeError, type SupernodeErrorCode } from '../../errors.ts';

/** For commands that work on what is there: opening a database would make an empty one. */
export async function requireDataFolder(dataDir: string, code: SupernodeErrorCode): Promise<void> {
  await access(path.join(dataDir, 'postgres')).catch((cause: unknown) => {
    throw new SupernodeError(code, `${path.resolve(dataDir)} holds no database.`, { cause });
  });
}
