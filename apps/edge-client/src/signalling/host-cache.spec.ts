import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, type Homes, type UserId } from '@parley/protocol';
import { processClock } from '../client/client-clock.ts';
import { IdentityFolder } from '../identity/identity-folder.ts';
import { MemoryIdentityStore, type IdentityStore } from '../identity/identity-store.ts';
import { Identity } from '../identity/identity.ts';
import { homesOf, newRosterKey, type RosterKey } from '../testing/roster-homes.ts';
import { HostCache } from './host-cache.ts';

const HOMES = ['https://home1.example', 'https://home2.example'];
const USER = 'u.alice' as UserId;

describe('HostCache', () => {
  let folder: string;
  let file: string;
  let now = 1_500_000;
  const key = newRosterKey();
  const alerts: string[] = [];
  const open: Identity[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-hosts-'));
    file = join(folder, 'hosts.json');
    now = 1_500_000;
    alerts.length = 0;
  });

  afterEach(async () => {
    await close();
    await rm(folder, { recursive: true, force: true });
  });

  async function close(): Promise<void> {
    for (const identity of open.splice(0)) await identity.close();
  }

  /** As at the start of a client, of a device that has its account and knows its cluster. */
  async function start(store?: IdentityStore): Promise<{ identity: Identity; cache: HostCache }> {
    await close();
    const identity = await Identity.open(store ?? (await IdentityFolder.open(folder)), {
      tenant: DEFAULT_TENANT,
      deviceName: 'laptop',
      clock: processClock,
    });
    open.push(identity);
    if (!identity.account) {
      const { text } = key;
      const device = { key: text, agreementKey: text, name: 'laptop', addedAt: 1 };
      const pin = { rootKey: text, version: 1, hash: text, recoveryKey: text, devices: [device] };
      await identity.setAccount({ userId: USER, handle: null, token: null, pin });
    }
    if (identity.hosts.clusterId === null) await identity.updateHosts({ clusterId: 'fake-cluster' });
    const cache = new HostCache({
      identity,
      now: () => now,
      onUnknownKey: ({ code }) => alerts.push(code),
    });
    return { identity, cache };
  }

  const bodyOf = async (): Promise<{ homes: unknown; rosterKeys: string[]; rosterEpoch: number }> =>
    (JSON.parse(await readFile(file, 'utf8')) as { body: never }).body;

  it('knows the homes again after a start, and for how long they are valid', async () => {
    const first = await start();
    expect(first.cache.hint).toBeUndefined();
    expect(first.cache.take(homesOf([key]))).toEqual({ urls: HOMES, validForMs: 500_000 });
    now += 100_000;

    const { cache } = await start();

    expect(cache.hint).toEqual({ urls: HOMES, validForMs: 400_000 });
    expect(cache.drops()).toEqual({});
  });

  it('keeps homes that have expired, as valid for no time', async () => {
    (await start()).cache.take(homesOf([key]));
    now = 9_000_000;

    const { cache } = await start();

    expect(cache.hint).toEqual({ urls: HOMES, validForMs: 0 });
    expect(cache.take(homesOf([key]))).toBeUndefined();
    expect(cache.drops()).toEqual({ 'homes-expired': 1 });
  });

  it('pins the roster keys, follows their rotation and alerts to others', async () => {
    const { cache, identity } = await start();
    const [next, stranger] = [newRosterKey(), newRosterKey()];
    cache.take(homesOf([key]));
    expect(cache.take(homesOf([stranger], { epoch: 99 }))).toBeUndefined();
    expect(alerts).toEqual(['EDGE_ROSTER_KEY_CHANGED']);

    cache.take(homesOf([next, key], { epoch: 8 }));
    cache.take(homesOf([next], { epoch: 9 }));

    expect(identity.hosts.rosterKeys).toEqual([next.text]);
    const again = (await start()).cache;
    expect(again.take(homesOf([key], { epoch: 10 }))).toBeUndefined();
    expect(again.take(homesOf([next], { epoch: 10 }))).toBeDefined();
    expect(alerts).toHaveLength(2);
  });

  it('trusts another key when the app says so', async () => {
    const { cache } = await start();
    const other = newRosterKey();
    cache.take(homesOf([key]));
    await cache.forgetRosterKeys();

    expect(cache.take(homesOf([other], { epoch: 1 }))).toBeDefined();
    expect(cache.take(homesOf([key]))).toBeUndefined();
  });

  it('refuses a roster that is older than one it has seen, after a start too', async () => {
    (await start()).cache.take(homesOf([key], { epoch: 12 }));

    const { cache } = await start();

    expect(cache.take(homesOf([key], { epoch: 11, notBefore: 1_400_000 }))).toBeUndefined();
    expect(cache.hint?.urls).toEqual(HOMES);
    expect(cache.drops()).toEqual({ 'homes-outdated': 1 });
  });

  it('writes what is news, and no list that merely lasts a little longer', async () => {
    const saves: string[] = [];
    class CountingStore extends MemoryIdentityStore {
      override save: MemoryIdentityStore['save'] = (name, document) => {
        if (name === 'hosts') saves.push(name);
        return super.save(name, document);
      };
    }
    const { cache } = await start(new CountingStore());
    const take = (change: Partial<Homes>, keys: RosterKey[] = [key]) => {
      saves.length = 0;
      cache.take(homesOf(keys, change));
      return saves.length;
    };

    expect(take({})).toBe(1);
    expect(take({ notBefore: 1_000_001, notAfter: 2_000_001 })).toBe(0);
    expect(cache.hint?.validForMs).toBe(500_001);
    expect(take({ notBefore: 1_000_002, homes: [...HOMES].reverse() })).toBe(1);
    expect(take({ notBefore: 1_000_003, epoch: 8 })).toBe(1);
    now = 1_900_000;
    expect(take({ notBefore: 1_800_000, notAfter: 2_800_000, epoch: 8 })).toBe(1);
  });

  it.each([
    ['cut off', (text: string) => text.slice(0, 50)],
    ['empty', () => ''],
    ['of another shape', (text: string) => text.replace('"rosterKeys": [', '"rosterKeys": [1,')],
    ['of a newer version', (text: string) => text.replace('"version": 1', '"version": 9')],
  ])('starts from nothing where the file is %s', async (_what, damage) => {
    (await start()).cache.take(homesOf([key]));
    await close();
    await writeFile(file, damage(await readFile(file, 'utf8')));

    const { cache } = await start();

    expect(cache.hint).toBeUndefined();
    expect(cache.drops()).toEqual({ 'hosts-unreadable': 1 });
    expect(cache.take(homesOf([key]))).toBeDefined();
  });

  it('reads what a version before wrote, without homes', async () => {
    const store = new MemoryIdentityStore();
    const old = { clusterId: 'fake-cluster', alternates: ['https://old.example'] };
    await store.save('hosts', old as never);

    const { cache, identity } = await start(store);

    expect(identity.hosts).toMatchObject({ ...old, homes: null, rosterKeys: [] });
    expect(cache.drops()).toEqual({});
  });

  it('believes a cache no more than a supernode', async () => {
    const { identity, cache } = await start();
    cache.take(homesOf([key]));
    const [other] = homesOf([newRosterKey()]);
    await identity.updateHosts({ homes: other ?? null });
    expect((await bodyOf()).rosterKeys).toEqual([key.text]);

    const again = (await start()).cache;

    expect(again.hint).toBeUndefined();
    expect(again.drops()).toEqual({ 'homes-unknown-key': 1 });
  });

  it('counts a cache that can not be written, and goes on', async () => {
    class FullStore extends MemoryIdentityStore {
      override save: MemoryIdentityStore['save'] = (name, document) =>
        name === 'hosts' && (document as { homes?: unknown }).homes
          ? Promise.reject(new TypeError('disk full'))
          : super.save(name, document);
    }
    const { cache } = await start(new FullStore());

    expect(cache.take(homesOf([key]))).toBeDefined();
    await new Promise((resolve) => setImmediate(resolve));

    expect(cache.drops()).toEqual({ 'hosts-not-saved': 1 });
  });
});
