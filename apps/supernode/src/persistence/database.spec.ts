import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT } from '@parley/protocol';
import type { Config } from '../config/config.schema.ts';
import { testConfig } from '../config/testing/test-config.ts';
import { ensureDefaultTenant } from './default-tenant.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

async function newUser(tenantId: string): Promise<string> {
  const userId = randomUUID();
  await database.prisma.user.create({ data: { tenantId, userId } });
  return userId;
}

describe('the role of the application', () => {
  it('is no superuser, owns nothing and makes no tables', async () => {
    const roles = await database.prisma.$queryRaw`
      SELECT current_user::text AS name, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls
      FROM pg_roles WHERE rolname = current_user`;
    const owned = await database.prisma
      .$queryRaw`SELECT tablename FROM pg_tables WHERE tableowner = current_user`;

    expect(roles).toEqual([
      {
        name: 'parley_app',
        rolsuper: false,
        rolcreatedb: false,
        rolcreaterole: false,
        rolreplication: false,
        rolbypassrls: false,
      },
    ]);
    expect(owned).toEqual([]);
    await expect(database.prisma.$executeRaw`CREATE TABLE mine ()`).rejects.toThrow(/permission denied/);
    await expect(database.prisma.$executeRaw`DROP TABLE user_account`).rejects.toThrow(/must be owner/);
    await expect(database.prisma.$executeRaw`DELETE FROM _prisma_migrations`).rejects.toThrow(
      /permission denied/,
    );
  });

  it('adds to append-only tables and cannot change them', async () => {
    const tenantId = await database.newTenant();
    const entry = { tenantId, actor: 'a', action: 'b', target: 'c', outcome: 'done' };
    await database.prisma.auditEntry.create({ data: entry });

    await expect(database.prisma.auditEntry.updateMany({ data: { actor: 'x' } })).rejects.toThrow(
      /permission denied/,
    );
    await expect(database.prisma.auditEntry.deleteMany({ where: { tenantId } })).rejects.toThrow(
      /permission denied/,
    );
    expect(await database.prisma.auditEntry.count({ where: { tenantId, actor: 'a' } })).toBe(1);
  });
});

describe('device lists', () => {
  const signed = {
    payload: new Uint8Array([1]),
    signature: new Uint8Array([2]),
    signerKey: new Uint8Array([3]),
  };

  it('give a version to one writer only', async () => {
    const tenantId = await database.newTenant();
    const userId = await newUser(tenantId);
    const version1 = { data: { tenantId, userId, version: 1, ...signed } };

    const outcomes = await Promise.allSettled([
      database.prisma.deviceList.create(version1),
      database.prisma.deviceList.create(version1),
    ]);

    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toMatchObject([{ reason: { code: 'P2002' } }]);
  });

  it('cannot be changed, but leave with their user', async () => {
    const tenantId = await database.newTenant();
    const userId = await newUser(tenantId);
    await database.prisma.deviceList.create({ data: { tenantId, userId, version: 1, ...signed } });

    await expect(
      database.prisma.deviceList.updateMany({
        where: { tenantId },
        data: { signature: new Uint8Array([9]) },
      }),
    ).rejects.toThrow(/permission denied/);
    await database.prisma.user.delete({ where: { tenantId_userId: { tenantId, userId } } });

    expect(await database.prisma.deviceList.count({ where: { tenantId } })).toBe(0);
  });
});

describe('tenants', () => {
  it('may hold the same user and handle twice, one tenant may not', async () => {
    const [one, two] = [await database.newTenant(), await database.newTenant()];
    const ada = { userId: 'u1', handle: 'Ada', handleFolded: 'ada' };
    await database.prisma.user.create({ data: { tenantId: one, ...ada } });
    await database.prisma.user.create({ data: { tenantId: two, ...ada } });

    const again = database.prisma.user.create({ data: { tenantId: one, ...ada, userId: 'u2' } });

    await expect(again).rejects.toMatchObject({ code: 'P2002' });
  });
});

describe('ensureDefaultTenant', () => {
  const apply = ({ identity, presence }: Config) => ensureDefaultTenant(database.prisma, identity, presence);
  const stored = () => database.prisma.tenant.findUniqueOrThrow({ where: { id: DEFAULT_TENANT } });

  it('makes a TURN secret once, keeps it, and follows the settings', async () => {
    await apply(testConfig());
    const first = await stored();
    await apply(testConfig({ SUPERNODE_API_SECRET: 'a'.repeat(32), SUPERNODE_OPEN_REGISTRATION: 'false' }));
    const second = await stored();
    await apply(testConfig({ SUPERNODE_TURN_SECRET: 'configured-turn-secret' }));
    const third = await stored();

    expect(first).toMatchObject({ apiSecret: null, openRegistration: true });
    expect(first.turnSecret).toMatch(/^[\w-]{43}$/);
    expect(second).toMatchObject({
      turnSecret: first.turnSecret,
      apiSecret: 'a'.repeat(32),
      openRegistration: false,
    });
    expect(third).toMatchObject({
      turnSecret: 'configured-turn-secret',
      apiSecret: null,
      openRegistration: true,
    });
  });
});
