import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { rosterOf } from '../cluster/testing/roster-store.contract.ts';
import { nextPresenceEpoch, outrankSoleTenures } from './presence-epoch.prisma.ts';
import { raiseEpochs } from './raise-epochs.prisma.ts';
import { PrismaRosterStore } from './roster-store.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

const MARGIN = 1_000_000;
let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
  await database.prisma.tenant.create({ data: { id: 'default', name: 'default', turnSecret: 'x' } });
}, 60_000);
afterEach(() => database.close());

describe('raiseEpochs', () => {
  it('lifts roster and starts above all that a cluster reached since the backup', async () => {
    const { prisma } = database;
    const rosters = new PrismaRosterStore(prisma);
    await rosters.replace({ ...rosterOf(7, 'node-a'), writtenAt: Date.now() - 5_000_000 }, 0);
    // More starts than rosters, which have a count of their own.
    for (let start = 1; start <= 9; start += 1) expect(await rosters.nextIncarnation()).toBe(start);
    await prisma.$executeRaw`UPDATE cluster_setting SET updated_at = now() - interval '9000 seconds'`;

    const epoch = await raiseEpochs(prisma);

    expect(epoch).toBeGreaterThanOrEqual(7 + MARGIN + 5_000);
    expect(epoch).toBeLessThan(7 + MARGIN + 5_060);
    expect(await rosters.read()).toMatchObject({ epoch, coordinator: '', seats: [], owners: [] });
    expect(await rosters.nextIncarnation()).toBeGreaterThan(MARGIN + 5_000);
    expect(await rosters.replace(rosterOf(epoch + 1, 'node-a'), epoch)).toBe(true);
  });

  it('lifts what a supernode that runs alone counts, and keeps it below a cluster that follows', async () => {
    const { prisma } = database;
    await nextPresenceEpoch(prisma);

    const epoch = await raiseEpochs(prisma);

    expect(epoch).toBeGreaterThan(MARGIN);
    expect(await nextPresenceEpoch(prisma)).toBe(epoch + 1);
    await outrankSoleTenures(prisma);
    expect((await new PrismaRosterStore(prisma).read()).epoch).toBe(epoch + 1);
    expect(await prisma.auditEntry.count({ where: { action: 'epoch.raise' } })).toBe(1);
  });

  it('is refused where nothing ran, and where epochs would end', async () => {
    const { prisma } = database;
    await expect(raiseEpochs(prisma)).rejects.toMatchObject({ code: 'SN_OPERATION_REFUSED' });
    const rosters = new PrismaRosterStore(prisma);
    await rosters.replace({ ...rosterOf(2 ** 31 - MARGIN, 'node-a'), writtenAt: Date.now() }, 0);

    await expect(raiseEpochs(prisma)).rejects.toMatchObject({ code: 'SN_OPERATION_REFUSED' });

    expect((await rosters.read()).epoch).toBe(2 ** 31 - MARGIN);
  });
});
