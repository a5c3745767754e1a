import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeBase64url, tenantIdSchema, userIdSchema } from '@parley/protocol';
import type { ClusterKeyRecord } from '../identity/keyring.port.ts';
import { PrismaKeyringStore } from './keyring.prisma.ts';
import { PrismaTenantStore } from './tenants.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';
import { PrismaTokenBindings } from './token-bindings.prisma.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

function key(version: number, fill: number): ClusterKeyRecord {
  return {
    purpose: 'test',
    version,
    secret: new Uint8Array(4).fill(fill),
    publicKey: null,
    notBefore: new Date(0),
    notAfter: null,
  };
}

describe('PrismaKeyringStore', () => {
  it('keeps the first value of a setting, whoever else wants to write it', async () => {
    const store = new PrismaKeyringStore(database.prisma);

    const values = await Promise.all(
      ['a', 'b', 'c'].map((candidate) => store.settingOrCreate('name', candidate)),
    );

    expect(new Set(values).size).toBe(1);
    expect(await store.settingOrCreate('name', 'd')).toBe(values[0]);
  });

  it('keeps the first key of a version, and gives the newest version first', async () => {
    const store = new PrismaKeyringStore(database.prisma);
    await store.keysOrCreate('test', key(1, 1));
    await store.keysOrCreate('test', key(1, 2));

    const keys = await store.keysOrCreate('test', key(2, 3));

    expect(keys.map(({ version, secret }) => [version, [...secret]])).toEqual([
      [2, [3, 3, 3, 3]],
      [1, [1, 1, 1, 1]],
    ]);
  });
});

describe('PrismaTenantStore', () => {
  it('finds a tenant with what verifies its tokens, and nothing for an unknown one', async () => {
    const id = tenantIdSchema.parse(await database.newTenant());
    await database.prisma.tenant.update({ where: { id }, data: { apiSecret: 's', tokenAudience: 'calls' } });
    const store = new PrismaTenantStore(database.prisma);

    expect(await store.find(id)).toEqual({
      id,
      apiSecret: 's',
      jwksUrl: null,
      tokenIssuer: null,
      tokenAudience: 'calls',
      openRegistration: true,
    });
    expect(await store.find(tenantIdSchema.parse('nowhere'))).toBeUndefined();
  });
});

describe('PrismaTokenBindings', () => {
  it('binds a token to the first key, until it expired', async () => {
    const tenant = tenantIdSchema.parse(await database.newTenant());
    const userId = userIdSchema.parse('ada');
    await database.prisma.user.create({ data: { tenantId: tenant, userId } });
    const bindings = new PrismaTokenBindings(database.prisma);
    const [first, second] = [1, 2].map((fill) => encodeBase64url(new Uint8Array(32).fill(fill))) as [
      string,
      string,
    ];
    const bind = (deviceKey: string) =>
      bindings.bind({ tenant, userId, tokenHash: 'hash', deviceKey, expiresAt: new Date(1000) });

    expect(await bind(first)).toBe(first);
    expect(await bind(second)).toBe(first);

    expect(await bindings.deleteExpired(new Date(1000))).toBe(0);
    expect(await bindings.deleteExpired(new Date(1001))).toBe(1);
    expect(await bind(second)).toBe(second);
  });
});
