import { tenantIdSchema, userIdSchema, type TenantId, type UserId } from '@parley/protocol';
import { contactTransition } from '../contacts/contact-transitions.ts';
import { PrismaContactBook } from './contact-book.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

const alice = userIdSchema.parse('alice');
const bob = userIdSchema.parse('bob');

async function setUp(): Promise<{ book: PrismaContactBook; tenant: TenantId }> {
  const tenant = tenantIdSchema.parse(await database.newTenant());
  const users = [alice, bob].map((userId) => ({
    tenantId: tenant,
    userId,
    handle: userId,
    handleFolded: userId,
  }));
  await database.prisma.user.createMany({ data: users });
  return { book: new PrismaContactBook(database.prisma), tenant };
}

const act = (
  book: PrismaContactBook,
  tenant: TenantId,
  owner: UserId,
  peer: UserId,
  action: 'request' | 'accept' | 'block',
) => book.change(tenant, owner, peer, (sides) => contactTransition(action, sides));

describe('PrismaContactBook', () => {
  it('keeps what each side decided', async () => {
    const { book, tenant } = await setUp();
    await act(book, tenant, alice, bob, 'request');
    await act(book, tenant, bob, alice, 'accept');
    expect(await book.list(tenant, alice)).toMatchObject([
      { userId: 'bob', handle: 'bob', state: 'accepted' },
    ]);
    expect(await book.relations(tenant, bob, [alice])).toEqual(
      new Map([[alice, { mine: 'accepted', theirs: 'accepted' }]]),
    );
    expect(await book.mutualContacts(tenant, alice)).toEqual([bob]);
    expect(await book.mutualContacts(tenant, alice, [alice, bob])).toEqual([bob]);
    expect(await book.mutualContacts(tenant, alice, [alice])).toEqual([]);
    await act(book, tenant, alice, bob, 'block');
    expect(await book.mutualContacts(tenant, bob)).toEqual([]);
    expect(await book.list(tenant, bob)).toMatchObject([{ state: 'accepted' }]);
    expect(await book.countOf(tenant, alice, ['blocked'])).toBe(1);
  });

  it('tells the newest device list of accepted contacts only', async () => {
    const { book, tenant } = await setUp();
    const list = (version: number) => ({
      tenantId: tenant,
      userId: bob,
      version,
      payload: Buffer.from('list'),
      signature: Buffer.alloc(64),
      signerKey: Buffer.alloc(32),
    });
    await database.prisma.deviceList.createMany({ data: [list(1), list(2)] });
    await act(book, tenant, alice, bob, 'request');
    expect(await book.deviceListVersions(tenant, alice)).toEqual([]);

    await act(book, tenant, bob, alice, 'accept');

    expect(await book.deviceListVersions(tenant, alice)).toEqual([{ userId: 'bob', version: 2 }]);
  });

  it('befriends two users who ask each other at the same moment', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { book, tenant } = await setUp();
      await Promise.all([act(book, tenant, alice, bob, 'request'), act(book, tenant, bob, alice, 'request')]);
      expect(await book.mutualContacts(tenant, alice)).toEqual([bob]);
    }
  });

  it('tells a peer without an account from a change that is refused', async () => {
    const { book, tenant } = await setUp();
    expect(await act(book, tenant, alice, userIdSchema.parse('nobody'), 'request')).toBe('no-account');
    expect(await act(book, tenant, alice, bob, 'accept')).toBe('refused');
  });

  it('keeps tenants apart', async () => {
    const { book, tenant } = await setUp();
    const other = await setUp();
    await act(book, tenant, alice, bob, 'request');
    expect(await book.list(other.tenant, bob)).toEqual([]);
  });
});
