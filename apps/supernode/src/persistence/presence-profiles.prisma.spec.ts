import { tenantIdSchema, userIdSchema } from '@parley/protocol';
import { nextPresenceEpoch } from './presence-epoch.prisma.ts';
import { PrismaPresenceProfiles } from './presence-profiles.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

const alice = userIdSchema.parse('alice');
const DAY_MS = 24 * 3600_000;

async function setUp() {
  const tenantId = await database.newTenant();
  await database.prisma.user.create({ data: { tenantId, userId: alice } });
  return {
    profiles: new PrismaPresenceProfiles(database.prisma),
    tenant: tenantIdSchema.parse(tenantId),
    tenantId,
  };
}

describe('PrismaPresenceProfiles', () => {
  it('keeps the choice and the time of the last sight', async () => {
    const { profiles, tenant } = await setUp();
    await profiles.saveChoice(tenant, alice, 'invisible', 'shh');
    await profiles.saveLastSeen(tenant, alice, 1234);
    expect(await profiles.load(tenant, alice)).toEqual({
      chosen: 'invisible',
      statusText: 'shh',
      lastSeen: 1234,
    });
    expect(await profiles.lastSeenOf(tenant, [alice, userIdSchema.parse('nobody')])).toEqual(
      new Map([[alice, 1234]]),
    );
  });

  it('keeps history in its order, whatever became of another account', async () => {
    const { profiles, tenant, tenantId } = await setUp();
    const entry = { tenant, userId: alice, deviceId: null, cause: 'explicit', at: Date.now() } as const;
    const gone = userIdSchema.parse('gone');

    await profiles.record([
      { ...entry, from: 'offline', to: 'online' },
      { ...entry, userId: gone, from: 'offline', to: 'online' },
      { ...entry, from: 'online', to: 'away' },
    ]);

    const kept = await database.prisma.presenceTransition.findMany({
      where: { tenantId },
      orderBy: { id: 'asc' },
    });
    expect(kept).toMatchObject([
      { userId: alice, deviceId: null, fromState: 'offline', toState: 'online', cause: 'explicit' },
      { userId: alice, deviceId: null, fromState: 'online', toState: 'away', at: new Date(entry.at) },
    ]);
  });

  it('deletes history that is older than the tenant keeps it', async () => {
    const { profiles, tenant, tenantId } = await setUp();
    const now = Date.now();
    await database.prisma.tenant.update({ where: { id: tenantId }, data: { presenceRetentionDays: 2 } });
    const entry = {
      tenant,
      userId: alice,
      deviceId: null,
      from: 'offline',
      to: 'online',
      cause: 'signed-in',
    } as const;
    await profiles.record([1, 3].map((age) => ({ ...entry, at: now - age * DAY_MS })));
    await profiles.prune(now);
    expect(await database.prisma.presenceTransition.count({ where: { tenantId } })).toBe(1);
  });
});

describe('presence epoch', () => {
  it('grows with every start', async () => {
    const first = await nextPresenceEpoch(database.prisma);
    expect(await nextPresenceEpoch(database.prisma)).toBeGreaterThan(first);
  });
});
