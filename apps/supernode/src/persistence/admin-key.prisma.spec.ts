import { afterAll, beforeAll } from '@jest/globals';
import { tenantIdSchema } from '@parley/protocol';
import { adminKeyRepositoryContract } from '../admin/testing/admin-key.contract.ts';
import { PrismaAdminKeyRepository } from './admin-key.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

adminKeyRepositoryContract(async () => {
  const tenantId = await database.newTenant();
  return {
    keys: new PrismaAdminKeyRepository(database.prisma),
    tenant: tenantIdSchema.parse(tenantId),
    otherTenant: tenantIdSchema.parse(await database.newTenant()),
    auditedActions: async () => {
      const entries = await database.prisma.auditEntry.findMany({
        where: { tenantId },
        orderBy: { id: 'asc' },
      });
      return entries.map(({ action }) => action);
    },
  };
});
