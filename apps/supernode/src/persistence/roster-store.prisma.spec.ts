import { afterAll, beforeAll } from '@jest/globals';
import { rosterStoreContract } from '../cluster/testing/roster-store.contract.ts';
import { PrismaRosterStore } from './roster-store.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await database.prisma.tenant.create({ data: { id: 'default', name: 'default', turnSecret: 'x' } });
}, 60_000);
afterAll(() => database.close());

rosterStoreContract(async () => {
  await database.prisma.$transaction([
    database.prisma.roster.deleteMany(),
    database.prisma.electionDecision.deleteMany(),
    database.prisma.clusterSetting.deleteMany(),
  ]);
  const since = await database.prisma.auditEntry.count();
  return {
    store: new PrismaRosterStore(database.prisma),
    auditedActions: async () => {
      const entries = await database.prisma.auditEntry.findMany({ orderBy: { id: 'asc' }, skip: since });
      return entries.map(({ action }) => action);
    },
  };
});
