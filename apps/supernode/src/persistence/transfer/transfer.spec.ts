import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { openDatabase } from '../database.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../embedded/embedded-postgres.ts';
import { migrate } from '../migrator.ts';
import { nextPresenceEpoch } from '../presence-epoch.prisma.ts';
import { openTestDatabase, seedDataFolder, type TestDatabase } from '../testing/test-database.ts';
import { exportLines } from './export-database.ts';
import { importLines } from './import-database.ts';
import { transferredTables } from './tables.ts';
import { exportToFile, importFromFile } from './transfer-file.ts';

const REFUSED = { code: 'SN_TRANSFER_REFUSED' };
let root: string;
let source: TestDatabase;
let server: EmbeddedPostgres;
let exported: string[];

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'parley-transfer-'));
  source = await openTestDatabase();
  await fill(source);
  exported = await linesOf(source);
  server = await startEmbeddedPostgres({ dataFolder: path.join(root, 'target'), isDurable: false });
}, 120_000);
afterAll(async () => {
  await source.close();
  await server.stop();
  await rm(root, { recursive: true, force: true });
});

/** Bytes, big numbers, quotes, times and more rows than are read at once. */
async function fill({ prisma }: TestDatabase): Promise<void> {
  const tenantId = "o'tenant";
  await prisma.tenant.create({ data: { id: tenantId, name: 'A "name"\n', turnSecret: randomUUID() } });
  await prisma.user.createMany({
    data: Array.from({ length: 1_200 }, (_, index) => ({ tenantId, userId: `user-${index}` })),
  });
  const key = new Uint8Array(randomBytes(32));
  await prisma.device.create({
    data: { tenantId, userId: 'user-1', deviceId: 'device-1', publicKey: key, name: 'été' },
  });
  await prisma.deviceList.create({
    data: { tenantId, userId: 'user-1', version: 1, payload: key, signature: key, signerKey: key },
  });
  await prisma.$executeRaw`UPDATE mailbox SET last_cursor = 9007199254740993 WHERE device_id = 'device-1'`;
  for (const action of ['one', 'two'])
    await prisma.auditEntry.create({
      data: {
        tenantId,
        actor: 'test',
        action,
        target: 'x',
        outcome: 'done',
        detail: { deep: [1, null, 'é'] },
      },
    });
  await nextPresenceEpoch(prisma);
}

async function linesOf({ prisma }: TestDatabase): Promise<string[]> {
  const client = await prisma.connections.connect();
  try {
    const lines: string[] = [];
    for await (const line of exportLines(client)) lines.push(line);
    return lines;
  } finally {
    client.release();
  }
}

/** A database of the present schema with nothing in it. */
async function emptyTarget(): Promise<pg.Client> {
  const name = `t${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ ...server.superuser });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const target = { ...server.superuser, database: name };
  await migrate(target);
  const client = new pg.Client(target);
  await client.connect();
  return client;
}

async function* lazily(lines: readonly string[]): AsyncGenerator<string> {
  for (const line of lines) yield await Promise.resolve(line);
}

async function rowsIn(client: pg.Client): Promise<number> {
  let rows = 0;
  for (const { name } of await transferredTables(client)) {
    const { rows: counted } = await client.query<{ n: number }>(
      `SELECT count(*)::integer AS n FROM "${name}"`,
    );
    rows += counted[0]?.n ?? 0;
  }
  return rows;
}

describe('export and import', () => {
  it('bring every row of every table to another database, value for value', async () => {
    const target = await emptyTarget();

    const rows = await importLines(target, lazily(exported));

    expect(rows).toBe(exported.length - 2);
    expect(rows).toBeGreaterThan(1_200);
    const again: string[] = [];
    for await (const line of exportLines(target)) again.push(line);
    expect(again.toSorted()).toEqual(exported.toSorted());
    expect(again.some((line) => line.includes('9007199254740993'))).toBe(true);
    await target.end();
  });

  it('leave the target as a supernode needs it: numbers go on, triggers work', async () => {
    const target = await emptyTarget();
    await importLines(target, lazily(exported));

    const { rows } = await target.query<{ id: string }>(
      `INSERT INTO audit_entry (tenant_id, actor, action, target, outcome) VALUES ('o''tenant', 'a', 'b', 'c', 'd') RETURNING id`,
    );
    expect(Number(rows[0]?.id)).toBe(3);
    await expect(target.query('DELETE FROM audit_entry')).rejects.toMatchObject({ code: '23001' });
    await target.end();
  });

  it('refuse a target that has rows, and add nothing to it', async () => {
    const target = await emptyTarget();
    await target.query("INSERT INTO tenant (id, name, turn_secret) VALUES ('there', 'there', 'x')");

    await expect(importLines(target, lazily(exported))).rejects.toMatchObject(REFUSED);

    expect(await rowsIn(target)).toBe(1);
    await target.end();
  });

  it.each<[string, (lines: readonly string[]) => readonly string[]]>([
    ['that was cut off', (lines) => lines.slice(0, -1)],
    ['that lacks a row', (lines) => lines.toSpliced(500, 1)],
    ['with a damaged row', (lines) => lines.toSpliced(500, 1, '{"table":"tenant","row')],
    ['of another version', (lines) => lines.toSpliced(0, 1, lines[0]?.replace('_init', '_other') ?? '')],
    ['that is none', () => ['hello']],
    ['that is empty', () => []],
  ])('refuse a file %s, and leave nothing', async (_what, damage) => {
    const target = await emptyTarget();

    await expect(importLines(target, lazily(damage(exported)))).rejects.toMatchObject(REFUSED);

    expect(await rowsIn(target)).toBe(0);
    await target.end();
  });
});

describe('files of an export', () => {
  it('are whole, private and never overwritten', async () => {
    const dataDir = path.join(root, 'standalone');
    const file = path.join(root, 'all.jsonl');
    await seedDataFolder(dataDir);
    const opened = await openDatabase({ dataFolder: dataDir, isDurable: false });
    await nextPresenceEpoch(opened.prisma);
    await opened.close();

    const rows = await exportToFile({ dataDir, databaseUrl: undefined }, file);

    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(rows + 2);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await expect(exportToFile({ dataDir, databaseUrl: undefined }, file)).rejects.toMatchObject(REFUSED);

    const target = await emptyTarget();
    const { user, password, port, host } = server.superuser;
    const databaseUrl = `postgresql://${user}:${password}@localhost:${port}/${target.database ?? ''}?host=${encodeURIComponent(host)}`;
    expect(await importFromFile({ databaseUrl }, file)).toBe(rows);
    expect(await rowsIn(target)).toBe(rows);
    await target.end();
  });

  it('are not made of a folder without a database, nor read where no database is named', async () => {
    const file = path.join(root, 'none.jsonl');
    const nothing = { dataDir: path.join(root, 'nothing'), databaseUrl: undefined };

    await expect(exportToFile(nothing, file)).rejects.toMatchObject(REFUSED);
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
    await writeFile(file, '');
    await expect(importFromFile({ databaseUrl: undefined }, file)).rejects.toMatchObject(REFUSED);
    await expect(
      importFromFile({ databaseUrl: 'postgresql://localhost:1/x' }, `${file}.not`),
    ).rejects.toMatchObject(REFUSED);
  });
});
