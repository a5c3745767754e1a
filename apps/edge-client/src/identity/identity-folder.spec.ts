import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT } from '@parley/protocol';
import { processClock } from '../client/client-clock.ts';
import { IdentityFolder } from './identity-folder.ts';
import { Identity } from './identity.ts';

const OPTIONS = { tenant: DEFAULT_TENANT, deviceName: 'laptop', clock: processClock };

describe('IdentityFolder', () => {
  let parent: string;
  let path: string;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'parley-identity-'));
    path = join(parent, 'me');
  });

  afterEach(() => rm(parent, { recursive: true, force: true }));

  async function makeIdentity(): Promise<string> {
    const store = await IdentityFolder.open(path);
    const { deviceId } = await Identity.open(store, OPTIONS);
    await store.close();
    return deviceId;
  }

  async function reopen(): Promise<unknown> {
    const store = await IdentityFolder.open(path);
    try {
      return (await Identity.open(store, OPTIONS)).deviceId;
    } finally {
      await store.close();
    }
  }

  it('gives the same device again, from files that only their owner can read', async () => {
    const deviceId = await makeIdentity();

    expect(await reopen()).toBe(deviceId);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(join(path, 'identity.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(path)).toEqual(['identity.json']);
  });

  it('closes a folder that others could enter', async () => {
    await makeIdentity();
    await chmod(path, 0o755);

    await reopen();

    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it.each([
    ['cut off', (text: string) => text.slice(0, text.length / 2)],
    ['empty', () => ''],
    ['changed in one letter', (text: string) => text.replace('laptop', 'Laptop')],
    ['of another document', (text: string) => text.replace('parley-identity', 'parley-pins')],
  ])('refuses a document that is %s and overwrites nothing', async (_what, damage) => {
    await makeIdentity();
    const file = join(path, 'identity.json');
    const damaged = damage(await readFile(file, 'utf8'));
    await writeFile(file, damaged);

    await expect(reopen()).rejects.toMatchObject({ code: 'EDGE_IDENTITY_CORRUPTED' });

    expect(await readFile(file, 'utf8')).toBe(damaged);
  });

  it('refuses damaged pins before it makes a new device', async () => {
    const store = await IdentityFolder.open(path);
    await store.save('pins', { pins: {} });
    await store.close();
    await writeFile(join(path, 'pins.json'), '{}');

    await expect(reopen()).rejects.toMatchObject({ code: 'EDGE_IDENTITY_CORRUPTED' });

    expect(await readdir(path)).toEqual(['pins.json']);
  });

  it('refuses a folder of a newer version and overwrites nothing', async () => {
    await makeIdentity();
    const file = join(path, 'identity.json');
    const newer = (await readFile(file, 'utf8')).replace('"version": 1', '"version": 2');
    await writeFile(file, newer);

    await expect(reopen()).rejects.toMatchObject({ code: 'EDGE_IDENTITY_NEWER' });

    expect(await readFile(file, 'utf8')).toBe(newer);
  });

  it('serves one client at a time', async () => {
    const first = await IdentityFolder.open(path);

    await expect(IdentityFolder.open(path)).rejects.toMatchObject({ code: 'EDGE_IDENTITY_LOCKED' });
    await first.close();

    await (await IdentityFolder.open(path)).close();
  });

  it('is locked by another living process and free after that one died', async () => {
    await makeIdentity();
    const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(holder, 'spawn');
    const startedAt = await startTime(holder.pid ?? 0);
    await writeFile(join(path, 'lock'), JSON.stringify({ pid: holder.pid, startedAt }));

    await expect(IdentityFolder.open(path)).rejects.toMatchObject({ code: 'EDGE_IDENTITY_LOCKED' });
    holder.kill('SIGKILL');
    await once(holder, 'exit');

    await (await IdentityFolder.open(path)).close();
  });

  it('takes over the lock of a process whose id was given to another one', async () => {
    await makeIdentity();
    await writeFile(join(path, 'lock'), JSON.stringify({ pid: process.pid, startedAt: '1' }));

    // Where the system does not tell start times, a living process id alone counts.
    const opening = IdentityFolder.open(path);

    if ((await startTime(process.pid)) === null) {
      await expect(opening).rejects.toMatchObject({ code: 'EDGE_IDENTITY_LOCKED' });
    } else {
      await (await opening).close();
    }
  });

  it('says that a folder cannot be used', async () => {
    await writeFile(path, 'a file');

    await expect(IdentityFolder.open(path)).rejects.toMatchObject({ code: 'EDGE_IDENTITY_UNUSABLE' });
  });

  it('refuses the identity of another tenant', async () => {
    await makeIdentity();
    const store = await IdentityFolder.open(path);

    const opening = Identity.open(store, { ...OPTIONS, tenant: 'other' as typeof DEFAULT_TENANT });

    await expect(opening).rejects.toMatchObject({ code: 'EDGE_IDENTITY_MISMATCH' });
    await store.close();
  });
});

async function startTime(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => null);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}
