import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

describe('database of the application', () => {
  it('stores and finds a user of a tenant', async () => {
    const tenantId = await database.newTenant();

    await database.prisma.user.create({
      data: { tenantId, userId: 'u1', handle: 'Ada', handleFolded: 'ada' },
    });

    const found = await database.prisma.user.findUnique({
      where: { tenantId_handleFolded: { tenantId, handleFolded: 'ada' } },
    });
    expect(found).toMatchObject({
      userId: 'u1',
      status: 'active',
      discoverable: false,
      presenceVisibility: 'contacts',
    });
  });
});
