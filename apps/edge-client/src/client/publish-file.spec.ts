import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { publishFile, type MakeLink } from './publish-file.ts';

const refuse = (code: string): MakeLink => {
  return () => Promise.reject(Object.assign(new TypeError('no link'), { code }));
};

describe('publishFile', () => {
  let folder: string;
  let draft: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-publish-'));
    draft = join(folder, '.draft');
    await writeFile(draft, 'new');
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    ['with hard links', undefined],
    ['without them, as on FAT', refuse('EPERM')],
    ['without them, as on some network shares', refuse('ENOTSUP')],
  ])('gives the file a name that is free: %s', async (_name, makeLink) => {
    await writeFile(join(folder, 'a.txt'), 'old');
    await writeFile(join(folder, 'a (1).txt'), 'older');

    const path = await publishFile(draft, folder, 'a.txt', makeLink);

    expect(path).toBe(join(folder, 'a (2).txt'));
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('old');
    expect(await readFile(join(folder, 'a (1).txt'), 'utf8')).toBe('older');
  });

  it('leaves no name behind when the disk fails', async () => {
    await expect(publishFile(draft, folder, 'a.txt', refuse('EIO'))).rejects.toMatchObject({
      code: 'EDGE_FILE_UNREADABLE',
    });
    await rm(draft);
    await expect(publishFile(draft, folder, 'b.txt', refuse('EPERM'))).rejects.toMatchObject({
      code: 'EDGE_FILE_UNREADABLE',
    });

    expect(await readdir(folder)).toEqual([]);
  });
});
