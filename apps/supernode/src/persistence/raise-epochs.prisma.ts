import { DEFAULT_TENANT } from '@parley/protocol';
import { SupernodeError } from '../errors.ts';
import { auditRow } from './audit-row.ts';
import { PRESENCE_EPOCH_KEY } from './presence-epoch.prisma.ts';
import type { PrismaService } from './prisma.service.ts';
import { INCARNATION_KEY } from './roster-store.prisma.ts';

/** More rosters than a cluster writes in weeks that are full of failures. */
const MARGIN = 1_000_000;
/** Epochs of slots have four bytes, and settings count with a sign. */
const HIGHEST = 2 ** 31 - 1;

interface Raised {
  readonly by: bigint;
  /** Of the roster; where there never was one, of the runs of a supernode that is alone. */
  readonly epoch: bigint | null;
  readonly highest: bigint | null;
}

/**
 * After a backup was restored: lifts every number that only grows above all that were in use since the backup, by a margin and one
 * for each second that passed. Nobody has a seat in the roster afterwards, so that every slot gets a new epoch, too.
 *
 * @returns the epoch above which rosters begin, or that a supernode that runs alone begins above
 * @throws SupernodeError SN_OPERATION_REFUSED
 */
export function raiseEpochs(prisma: PrismaService): Promise<number> {
  return prisma.$transaction(async (transaction) => {
    const keys = [PRESENCE_EPOCH_KEY, INCARNATION_KEY];
    const [raised] = await transaction.$queryRaw<[Raised]>`
      WITH last AS (SELECT greatest((SELECT max(written_at) FROM roster),
          (SELECT max(updated_at) FROM cluster_setting WHERE key = ANY(${keys}))) AS at),
        raise AS (SELECT ${MARGIN} + greatest(0, extract(epoch FROM now() - at))::bigint AS by FROM last)
      SELECT by, coalesce(of_rosters, of_runs) + by AS epoch, greatest(of_rosters, of_runs) + by AS highest
        FROM raise, (SELECT max(epoch) AS of_rosters FROM roster) AS rosters,
          (SELECT max(version) AS of_runs FROM cluster_setting WHERE key = ANY(${keys})) AS runs`;
    const { by, epoch, highest } = raised;
    if (epoch === null || highest === null)
      throw refusal('No supernode has run on this database: there is no epoch to raise.');
    if (highest > HIGHEST) throw refusal(`Epochs end at ${HIGHEST}, and this would be ${highest}.`);
    await transaction.$executeRaw`
      UPDATE roster SET epoch = epoch + ${by}, coordinator = '', seats = '[]', owners = '', slot_epochs = ''`;
    await transaction.$executeRaw`
      UPDATE cluster_setting SET version = version + ${by}::integer WHERE key = ANY(${keys})`;
    const audit = { tenant: DEFAULT_TENANT, actor: 'command', action: 'epoch.raise', target: String(epoch) };
    await transaction.auditEntry.create({ data: auditRow(audit) });
    return Number(epoch);
  });
}

function refusal(message: string): SupernodeError {
  return new SupernodeError('SN_OPERATION_REFUSED', message);
}
