import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { isProcessAlive } from './process-identity.ts';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
} from './embedded-postgres.ts';
import { PostgresLauncher } from './postgres-launcher.ts';
import { MAX_SOCKET_PATH_BYTES } from './socket-folder.ts';

const LIMIT_MS = 60_000;
let root: string;
/** A cluster that was made once; each test works on a copy. */
let made: string;
const running: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'parley-embedded-'));
  made = path.join(root, 'made');
  await (await startEmbeddedPostgres({ dataFolder: made, isDurable: false })).stop();
}, LIMIT_MS);
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function copyOfMade(name: string): Promise<string> {
  const folder = path.join(root, name);
  await cp(made, folder, { recursive: true });
  return folder;
}

async function start(
  dataFolder: string,
  more: Partial<EmbeddedPostgresOptions> = {},
): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataFolder, isDurable: false, ...more });
  running.push(server);
  return server;
}

async function query(server: EmbeddedPostgres, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ ...server.superuser });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('startEmbeddedPostgres', () => {
  it(
    'listens on a Unix socket in a folder closed to others, and on no port',
    async () => {
      const server = await start(await copyOfMade('socket'));

      expect((await stat(server.superuser.host)).mode & 0o777).toBe(0o700);
      expect(await query(server, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }]);
      expect(await readdir(server.superuser.host)).toContain('.s.PGSQL.5432');
    },
    LIMIT_MS,
  );

  it(
    'asks for the password on the socket too',
    async () => {
      const server = await start(await copyOfMade('password'));
      const client = new pg.Client({ ...server.superuser, password: 'guess' });

      await expect(client.connect()).rejects.toMatchObject({ code: '28P01' });
    },
    LIMIT_MS,
  );

  it(
    'listens on loopback only where Unix sockets are not to be had',
    async () => {
      const server = await start(await copyOfMade('loopback'), { transport: 'loopback' });

      expect(server.superuser.host).toBe('127.0.0.1');
      expect(await query(server, 'SELECT host(inet_server_addr()) AS at')).toEqual([{ at: '127.0.0.1' }]);
      const probe = connect(server.superuser.port, '127.0.0.1');
      await once(probe, 'connect');
      probe.destroy();
    },
    LIMIT_MS,
  );

  it(
    'puts the socket elsewhere when its path would be too long',
    async () => {
      const folder = await copyOfMade('x'.repeat(MAX_SOCKET_PATH_BYTES));

      const server = await start(folder);
      const { host } = server.superuser;

      expect(host.startsWith(folder)).toBe(false);
      expect((await stat(host)).mode & 0o777).toBe(0o700);
      expect(await query(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      await server.stop();
      await expect(stat(host)).rejects.toMatchObject({ code: 'ENOENT' });
    },
    LIMIT_MS,
  );

  // Only root has the choice; every other user runs the server directly, as the other tests then do.
  if (process.getuid?.() === 0)
    it(
      'runs as nobody where root has no user namespaces, and takes the folder back where it has',
      async () => {
        // The folder of the suite is closed to nobody; this one is not.
        const folder = await copyOfMade('nobody');
        await chmod(root, 0o711);

        const asNobody = await start(folder, { launcher: PostgresLauncher.asNobody() });
        await query(asNobody, 'CREATE TABLE kept AS SELECT 42 AS answer');
        expect((await stat(path.join(folder, 'postgres'))).uid).toBe(65534);
        await asNobody.stop();
        const asBefore = await start(folder);

        expect(await query(asBefore, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
      },
      LIMIT_MS,
    );

  it(
    'refuses a folder that another process holds and names the process',
    async () => {
      const folder = await copyOfMade('held');
      await start(folder);

      await expect(startEmbeddedPostgres({ dataFolder: folder })).rejects.toMatchObject({
        code: 'SN_DATA_FOLDER_LOCKED',
        message: expect.stringContaining(`process ${process.pid}`),
      });
    },
    LIMIT_MS,
  );

  it(
    'takes over the lock of a process that is gone, also when its id was given to another',
    async () => {
      const folder = await copyOfMade('stale');
      const holder = { pid: process.pid, start: 'long ago', id: 'another' };
      await writeFile(path.join(folder, 'supernode.lock'), JSON.stringify(holder));

      const server = await start(folder);

      expect(await query(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      await server.stop();
      expect(await readdir(folder)).not.toContain('supernode.lock');
    },
    LIMIT_MS,
  );

  it(
    'stops the server that a killed supernode left running, and keeps what was committed',
    async () => {
      const folder = await copyOfMade('orphan');
      const first = await start(folder, { isDurable: true });
      await query(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
      // As after SIGKILL of the supernode: the server runs on, the lock names a process that is gone.
      const holder = { pid: 2 ** 22 - 7, start: 'then', id: 'dead' };
      await writeFile(path.join(folder, 'supernode.lock'), JSON.stringify(holder));

      const second = await start(folder, { isDurable: true });

      expect(second.recoveredFrom).toBe('stopped');
      expect(await isProcessAlive(first.pid)).toBe(false);
      expect(await query(second, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    },
    LIMIT_MS,
  );

  it(
    'removes a postmaster.pid whose process is something else',
    async () => {
      const folder = await copyOfMade('recycled');
      const stranger = spawn('sleep', ['60']);
      children.push(stranger);
      await writeFile(
        path.join(folder, 'postgres', 'postmaster.pid'),
        `${String(stranger.pid)}\n/elsewhere\n`,
      );

      const server = await start(folder);

      expect(server.recoveredFrom).toBe('cleared');
      expect(await isProcessAlive(stranger.pid ?? 0)).toBe(true);
    },
    LIMIT_MS,
  );

  it(
    'starts a server again that was killed, with what was committed and the same way in',
    async () => {
      const server = await start(await copyOfMade('killed'), { isDurable: true });
      await query(server, 'CREATE TABLE kept AS SELECT 42 AS answer');
      const firstPid = server.pid;
      const outcome = new Promise((resolve) => server.onInterruption(resolve));

      process.kill(firstPid, 'SIGKILL');

      expect(await outcome).toBe('restarted');
      expect(server.pid).not.toBe(firstPid);
      expect(await query(server, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    },
    LIMIT_MS,
  );

  it('refuses a folder of another major version with the way out, and changes nothing', async () => {
    const folder = await copyOfMade('version');
    await writeFile(path.join(folder, 'postgres', 'PG_VERSION'), '17\n');

    await expect(startEmbeddedPostgres({ dataFolder: folder })).rejects.toMatchObject({
      code: 'SN_DB_VERSION_MISMATCH',
      message: expect.stringMatching(/PostgreSQL 17; this supernode has 18.*DATABASE_URL/),
    });
    expect(await readFile(path.join(folder, 'postgres', 'PG_VERSION'), 'utf8')).toBe('17\n');
    expect(await readdir(folder)).not.toContain('supernode.lock');
  });

  it.each<[string, (folder: string) => Promise<void>]>([
    ['without pg_control', (folder) => rm(path.join(folder, 'postgres/global/pg_control'))],
    ['without PG_VERSION', (folder) => rm(path.join(folder, 'postgres/PG_VERSION'))],
    [
      'with a damaged pg_control',
      (folder) => writeFile(path.join(folder, 'postgres/global/pg_control'), 'damaged'),
    ],
    [
      'without its transaction log',
      (folder) => rm(path.join(folder, 'postgres/pg_wal'), { recursive: true }),
    ],
    ['without its password', (folder) => rm(path.join(folder, 'postgres.password'))],
  ])(
    'refuses a folder %s as damaged',
    async (what, damage) => {
      const folder = await copyOfMade(what.replaceAll(' ', '-'));
      await damage(folder);

      await expect(startEmbeddedPostgres({ dataFolder: folder })).rejects.toMatchObject({
        code: 'SN_DB_CORRUPTED',
      });
    },
    LIMIT_MS,
  );

  it('refuses a data folder that is a file', async () => {
    const file = path.join(root, 'file');
    await writeFile(file, '');

    await expect(startEmbeddedPostgres({ dataFolder: file })).rejects.toMatchObject({
      code: 'SN_DATA_FOLDER_UNUSABLE',
    });
  });
});
