import type { PrismaService } from './prisma.service.ts';

const KEY = 'presence-epoch';

/** A number that grows with every call, for as long as the database lives. */
export async function nextPresenceEpoch(prisma: PrismaService): Promise<number> {
  const setting = await prisma.clusterSetting.upsert({
    where: { key: KEY },
    create: { key: KEY, value: {} },
    update: { version: { increment: 1 } },
  });
  return setting.version;
}
