import type { PrismaService } from './prisma.service.ts';

/** Of the setting whose version counts the runs of supernodes that are alone. */
export const PRESENCE_EPOCH_KEY = 'presence-epoch';

/**
 * A number that grows with every call, for as long as the database lives: the epoch of all tenures of a supernode that runs
 * alone. Higher than every roster, too: this database may have served a cluster.
 */
export async function nextPresenceEpoch(prisma: PrismaService): Promise<number> {
  const [row] = await prisma.$queryRaw<[{ version: number }]>`
    INSERT INTO cluster_setting AS s (key, value, version)
    SELECT ${PRESENCE_EPOCH_KEY}, '{}', coalesce(max(epoch), 0)::integer + 1 FROM roster
    ON CONFLICT (key) DO UPDATE SET updated_at = now(), version = greatest(s.version + 1, excluded.version)
    RETURNING version`;
  return row.version;
}

/**
 * Lets the rosters of a cluster begin above all epochs under which a supernode ran alone on this database: what clients and stores
 * have seen is outranked by what comes. Nobody has a seat in a roster from before such a run.
 */
export async function outrankSoleTenures(prisma: PrismaService): Promise<void> {
  await prisma.$executeRaw`
    INSERT INTO roster AS r (name, epoch, coordinator, written_at, seats, owners, slot_epochs)
    SELECT 'cluster', version, '', now(), '[]', '', '' FROM cluster_setting WHERE key = ${PRESENCE_EPOCH_KEY}
    ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, coordinator = '', written_at = now(), seats = '[]', owners = '',
      slot_epochs = ''
     WHERE r.epoch < excluded.epoch`;
}
