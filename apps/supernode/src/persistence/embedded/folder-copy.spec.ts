import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { openDatabase } from '../database.ts';
import { openTestDatabase } from '../testing/test-database.ts';
import { backUpDataFolder, restoreDataFolder } from './folder-copy.ts';

jest.setTimeout(60_000);
let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'parley-copy-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('backup and restore', () => {
  it('bring a data folder back as it was', async () => {
    const source = path.join(root, 'source');
    const first = await openDatabase({ dataFolder: source, isDurable: false });
    await first.prisma.tenant.create({ data: { id: 'kept', name: 'Kept', turnSecret: 'x' } });
    await first.close();

    await backUpDataFolder(source, path.join(root, 'copy'));
    await restoreDataFolder(path.join(root, 'copy'), path.join(root, 'restored'));

    const second = await openDatabase({ dataFolder: path.join(root, 'restored'), isDurable: false });
    const tenants = await second.prisma.tenant.findMany({ select: { id: true } });
    await second.close();
    expect(tenants).toEqual([{ id: 'kept' }]);
    expect(second.appliedMigrations).toEqual([]);
  });

  it('refuse the folder of a running supernode', async () => {
    const running = await openTestDatabase();

    const refused = expect(backUpDataFolder(running.dataFolder, path.join(root, 'never'))).rejects;
    await refused.toMatchObject({ code: 'SN_DATA_FOLDER_LOCKED' });

    await running.close();
    expect(await readdir(root)).not.toContain('never');
  });

  it('overwrite nothing and copy nothing that is no database', async () => {
    const full = path.join(root, 'full');
    await mkdir(full);
    await writeFile(path.join(full, 'file'), 'mine');
    const absent = path.join(root, 'absent');

    const refusals = await Promise.allSettled([
      backUpDataFolder(absent, path.join(root, 'new')),
      backUpDataFolder(full, path.join(root, 'new')),
      backUpDataFolder(absent, full),
      restoreDataFolder(absent, path.join(root, 'new')),
      restoreDataFolder(full, path.join(root, 'new')),
      restoreDataFolder(absent, full),
      restoreDataFolder(path.join(full, 'file'), path.join(root, 'new')),
    ]);

    for (const refusal of refusals) expect(refusal).toMatchObject({ reason: { code: 'SN_BACKUP_REFUSED' } });
    expect(await readdir(full)).toEqual(['file']);
  });
});
