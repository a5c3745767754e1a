import { handleSchema, tenantIdSchema, userIdSchema } from '@parley/protocol';
import { foldHandle } from '../identity/handle.ts';
import { PrismaDirectoryEntries } from './directory-entries.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

const viewer = userIdSchema.parse('viewer');

async function setUp(users: { handle: string; displayName?: string; discoverable?: boolean }[]) {
  const tenantId = await database.newTenant();
  const rows = [{ handle: 'viewer', discoverable: false }, ...users].map((user) => ({
    tenantId,
    userId: user.handle,
    handleFolded: foldHandle(user.handle),
    discoverable: true,
    ...user,
  }));
  await database.prisma.user.createMany({ data: rows });
  return {
    entries: new PrismaDirectoryEntries(database.prisma),
    tenant: tenantIdSchema.parse(tenantId),
    tenantId,
  };
}

const handles = (page: { entries: readonly { handle: unknown }[] }) =>
  page.entries.map(({ handle }) => handle);

describe('PrismaDirectoryEntries › look-up', () => {
  it('finds a handle regardless of case, and a user id', async () => {
    const { entries, tenant } = await setUp([{ handle: 'Ada.L', displayName: 'Ada Lovelace' }]);
    const expected = { userId: 'Ada.L', handle: 'Ada.L', displayName: 'Ada Lovelace' };
    expect(await entries.find(tenant, viewer, { handle: handleSchema.parse('ADA.l') })).toEqual(expected);
    expect(await entries.find(tenant, viewer, { userId: userIdSchema.parse('Ada.L') })).toEqual(expected);
  });

  it('finds nobody who blocked the viewer, is suspended or of another tenant', async () => {
    const { entries, tenant, tenantId } = await setUp([{ handle: 'bea' }, { handle: 'cid' }]);
    const blocked = { tenantId, ownerId: 'bea', peerId: 'viewer', state: 'blocked' as const };
    await database.prisma.contact.create({ data: blocked });
    await database.prisma.user.updateMany({
      where: { tenantId, userId: 'cid' },
      data: { status: 'suspended' },
    });
    expect(await entries.find(tenant, viewer, { handle: handleSchema.parse('bea') })).toBeUndefined();
    expect(await entries.find(tenant, viewer, { handle: handleSchema.parse('cid') })).toBeUndefined();
    const other = await setUp([]);
    expect(
      await other.entries.find(other.tenant, viewer, { handle: handleSchema.parse('bea') }),
    ).toBeUndefined();
  });
});

describe('PrismaDirectoryEntries › search', () => {
  it('finds by a prefix of handle or display name those who opted in, page by page', async () => {
    const { entries, tenant } = await setUp([
      { handle: 'anna' },
      { handle: 'Anneke' },
      { handle: 'zoe', displayName: 'Annabel' },
      { handle: 'annulled', discoverable: false },
      { handle: 'hanna' },
    ]);
    const first = await entries.search(tenant, viewer, 'ANN', 2, undefined);
    expect(handles(first)).toEqual(['anna', 'Anneke']);
    const second = await entries.search(tenant, viewer, 'ANN', 2, first.next!);
    expect(handles(second)).toEqual(['zoe']);
    expect(second.next).toBeNull();
  });

  it('finds handles before names, each once, in pages of every size', async () => {
    const { entries, tenant } = await setUp([
      { handle: 'annb', displayName: 'Ann Zett' },
      { handle: 'anna', displayName: 'Somebody' },
      { handle: 'yve', displayName: 'Ann B.' },
      { handle: 'zoe', displayName: 'ann a.' },
      { handle: 'xia', displayName: 'ANN A.' },
      { handle: 'uma', displayName: 'Ann' },
    ]);
    for (const limit of [1, 2, 3, 10]) {
      const found: unknown[] = [];
      let after: string | undefined;
      do {
        const page = await entries.search(tenant, viewer, 'ann', limit, after);
        expect(page.entries.length).toBeLessThanOrEqual(limit);
        found.push(...handles(page));
        after = page.next ?? undefined;
      } while (after !== undefined);
      expect(found).toEqual(['anna', 'annb', 'uma', 'xia', 'zoe', 'yve']);
    }
  });

  it('reads no more than a bounded number of rows for a page, and misses nobody', async () => {
    const many = Array.from({ length: 1_100 }, (_, at) => {
      const handle = `ann${String(at).padStart(4, '0')}`;
      return { handle, displayName: handle };
    });
    const { entries, tenant } = await setUp([...many, { handle: 'zoe', displayName: 'annz' }]);
    const pages: number[] = [];
    const found: unknown[] = [];
    let after: string | null = 'ann9';
    while (after !== null) {
      const page = await entries.search(tenant, viewer, 'ann', 10, after);
      pages.push(page.entries.length);
      found.push(...handles(page));
      after = page.next;
    }
    expect(pages).toEqual([0, 0, 1]);
    expect(found).toEqual(['zoe']);
  });

  it('finds nothing behind a place where no page ended', async () => {
    const { entries, tenant } = await setUp([{ handle: 'anna' }]);
    expect(await entries.search(tenant, viewer, 'ann', 10, '\0')).toEqual({ entries: [], next: null });
  });

  it('hides those who blocked the viewer, by handle and by name', async () => {
    const { entries, tenant, tenantId } = await setUp([
      { handle: 'anna' },
      { handle: 'bea', displayName: 'Ann' },
    ]);
    for (const ownerId of ['anna', 'bea']) {
      const blocked = { tenantId, ownerId, peerId: 'viewer', state: 'blocked' as const };
      await database.prisma.contact.create({ data: blocked });
    }
    expect(handles(await entries.search(tenant, viewer, 'ann', 10, undefined))).toEqual([]);
  });

  it('takes wildcards of the query language literally', async () => {
    const { entries, tenant } = await setUp([
      { handle: 'a_b', displayName: '100%' },
      { handle: 'axb', displayName: '100x' },
    ]);
    expect(handles(await entries.search(tenant, viewer, 'a_b', 10, undefined))).toEqual(['a_b']);
    expect(handles(await entries.search(tenant, viewer, '100%', 10, undefined))).toEqual(['a_b']);
  });
});

describe('PrismaDirectoryEntries › update', () => {
  it('changes what is given and leaves the rest', async () => {
    const { entries, tenant } = await setUp([{ handle: 'dan', displayName: 'Dan' }]);
    const updated = await entries.update(tenant, userIdSchema.parse('dan'), {
      handle: handleSchema.parse('Daniel'),
    });
    expect(updated).toEqual({
      entry: { userId: 'dan', handle: 'Daniel', displayName: 'Dan' },
      discoverable: true,
    });
  });

  it('refuses a handle that differs from another one in case only', async () => {
    const { entries, tenant } = await setUp([{ handle: 'eve' }, { handle: 'fay' }]);
    const change = { handle: handleSchema.parse('EVE') };
    expect(await entries.update(tenant, userIdSchema.parse('fay'), change)).toBe('taken');
    expect(
      await entries.update(tenant, userIdSchema.parse('nobody'), { discoverable: true }),
    ).toBeUndefined();
  });
});
