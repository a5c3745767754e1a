import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PostgresLauncher } from './postgres-launcher.ts';

/** sun_path is 108 bytes on Linux and 104 on macOS, with a terminating zero; PostgreSQL allows 107 at most. */
export const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103;
const SOCKET_NAME = '.s.PGSQL.5432';

/** The folder, closed to other users, in which the server makes its socket. */
export interface SocketFolder {
  readonly path: string;
  remove(): Promise<void>;
}

/** A folder inside the data folder, or, where its path would be too long for a socket, a private temporary one. */
export async function openSocketFolder(root: string, launcher: PostgresLauncher): Promise<SocketFolder> {
  const inside = path.join(root, 'run');
  if (Buffer.byteLength(path.join(inside, SOCKET_NAME)) > MAX_SOCKET_PATH_BYTES) {
    const outside = await mkdtemp(path.join(tmpdir(), 'parley-')); // mkdtemp makes it 0700
    await launcher.handOver(outside);
    return { path: outside, remove: () => rm(outside, { recursive: true, force: true }) };
  }
  await mkdir(inside, { recursive: true, mode: 0o700 });
  await chmod(inside, 0o700);
  await launcher.handOver(inside);
  return { path: inside, remove: () => Promise.resolve() };
}
