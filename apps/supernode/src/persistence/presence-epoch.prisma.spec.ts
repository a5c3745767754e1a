import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rosterOf } from '../cluster/testing/roster-store.contract.ts';
import { nextPresenceEpoch, outrankSoleTenures } from './presence-epoch.prisma.ts';
import { PrismaRosterStore } from './roster-store.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

describe('epochs of a database that serves a supernode alone and a cluster in turn', () => {
  it('only grow', async () => {
    const { prisma } = database;
    const rosters = new PrismaRosterStore(prisma);
    await outrankSoleTenures(prisma);
    expect((await rosters.read()).epoch).toBe(0);

    const alone = [await nextPresenceEpoch(prisma), await nextPresenceEpoch(prisma)];
    expect(alone).toEqual([1, 2]);

    await outrankSoleTenures(prisma);
    expect(await rosters.read()).toMatchObject({ epoch: 2, seats: [], owners: [] });
    expect(await rosters.replace(rosterOf(9, 'node-a'), 2)).toBe(true);
    await outrankSoleTenures(prisma);
    expect((await rosters.read()).seats).toHaveLength(1);

    expect(await nextPresenceEpoch(prisma)).toBe(10);
    await outrankSoleTenures(prisma);
    expect(await rosters.read()).toMatchObject({ epoch: 10, coordinator: '', seats: [] });
  });
});
