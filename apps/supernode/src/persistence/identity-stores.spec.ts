import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeBase64url, tenantIdSchema, userIdSchema } from '@parley/protocol';
import type { ClusterKeyRecord } from '../identity/keyring.port.ts';
import { ANNOUNCED_MS, planRotation } from '../identity/key-rotation.ts';
import { newRingKey } from '../identity/ring-key.ts';
import { PrismaKeyringStore } from './keyring.prisma.ts';
import { PrismaTenantStore } from './tenants.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';
import { PrismaTokenBindings } from './token-bindings.prisma.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await database.prisma.tenant.create({ data: { id: 'default', name: 'default', turnSecret: 'x' } });
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

  it('keeps the first key that anybody made', async () => {
    const store = new PrismaKeyringStore(database.prisma);

    const keys = await Promise.all([1, 2, 3].map((fill) => store.keysOrCreate('test', key(1, fill))));

    expect(new Set(keys.map(([first]) => first?.secret[0])).size).toBe(1);
    expect(await store.keysOrCreate('test', key(2, 4))).toEqual(keys[0]);
  });

  describe('rotation', () => {
    const at = (day: number) => Date.UTC(2030, 0, day);
    const store = () => new PrismaKeyringStore(database.prisma);
    const rotate = (day: number, overlapDays = 1) =>
      store().rotate('roster', (keys) => planRotation('roster', keys, overlapDays, at(day)));
    const ring = async () => {
      const keys = await store().keysOrCreate('roster', newRingKey('roster', 0));
      return keys.map(({ version, notAfter }) => [version, notAfter?.getTime()]);
    };

    it('lets one of several at once add a key, ends those before, and forgets who ended long ago', async () => {
      await store().keysOrCreate('roster', newRingKey('roster', at(1)));

      const outcomes = await Promise.allSettled([rotate(2), rotate(2), rotate(2)]);

      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'SN_OPERATION_REFUSED' },
      });
      const end = at(3) + ANNOUNCED_MS;
      expect(await ring()).toEqual([
        [2, undefined],
        [1, end],
      ]);

      await rotate(20);
      expect(await ring()).toEqual([
        [3, undefined],
        [2, at(21) + ANNOUNCED_MS],
      ]);
      const audited = await database.prisma.auditEntry.findMany({ where: { action: 'key.rotate' } });
      expect(audited.map(({ target }) => target)).toEqual(['roster-2', 'roster-3']);
    });
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
