import type { StorageConfig } from '../config/config.schema.ts';
import { planRotation, type KeyPurpose } from '../identity/key-rotation.ts';
import { openDatabase } from './database.ts';
import { requireDataFolder } from './embedded/existing-data-folder.ts';
import { PrismaKeyringStore } from './keyring.prisma.ts';
import type { PrismaService } from './prisma.service.ts';
import { raiseEpochs } from './raise-epochs.prisma.ts';

type Place = Pick<StorageConfig, 'dataDir' | 'databaseUrl'>;

/** What a rotation did, for the line that the command prints. */
export interface RotatedKey {
  readonly version: number;
  readonly signsFrom: Date;
  /** When the keys before end; undefined where none had to. */
  readonly formerUntil: Date | undefined;
}

/**
 * Adds a key to the ring and lets those before end. Supernodes of a cluster may run; one that runs alone holds its data folder.
 *
 * @param now - milliseconds since the epoch
 * @throws SupernodeError SN_OPERATION_REFUSED, SN_DATA_FOLDER_LOCKED, and those of {@link openDatabase}
 */
export function rotateKeys(
  place: Place,
  purpose: KeyPurpose,
  overlapDays: number,
  now: number,
): Promise<RotatedKey> {
  return onDatabase(place, async (prisma) => {
    const plan = await new PrismaKeyringStore(prisma).rotate(purpose, (keys) =>
      planRotation(purpose, keys, overlapDays, now),
    );
    const { next, endings } = plan;
    return { version: next.version, signsFrom: next.notBefore, formerUntil: endings[0]?.notAfter };
  });
}

/**
 * For a restored database, see {@link raiseEpochs}. All supernodes must be stopped.
 *
 * @throws SupernodeError SN_OPERATION_REFUSED, SN_DATA_FOLDER_LOCKED, and those of {@link openDatabase}
 */
export function raiseEpoch(place: Place): Promise<number> {
  return onDatabase(place, raiseEpochs);
}

async function onDatabase<Outcome>(
  { dataDir, databaseUrl }: Place,
  work: (prisma: PrismaService) => Promise<Outcome>,
): Promise<Outcome> {
  if (databaseUrl === undefined) await requireDataFolder(dataDir, 'SN_OPERATION_REFUSED');
  const database = await openDatabase(
    databaseUrl === undefined ? { dataFolder: dataDir } : { url: databaseUrl },
  );
  try {
    return await work(database.prisma);
  } finally {
    await database.close();
  }
}
