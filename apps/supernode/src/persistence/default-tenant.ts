import { randomBytes, randomUUID } from 'node:crypto';
import type { IdentityConfig, PresenceConfig } from '../config/config.schema.ts';
import { SupernodeError } from '../errors.ts';
import type { PrismaService } from './prisma.service.ts';

/** The only tenant of a deployment for one app; such a deployment never sees the word. */
export const DEFAULT_TENANT = 'default';
const CLUSTER_ID = 'cluster-id';

/** What the cluster calls itself; clients pin it. */
export async function ensureClusterId(prisma: PrismaService): Promise<string> {
  // The first supernode writes it; of several at once, one wins and all read the same.
  await prisma.clusterSetting.createMany({
    data: [{ key: CLUSTER_ID, value: `cluster-${randomUUID()}` }],
    skipDuplicates: true,
  });
  const setting = await prisma.clusterSetting.findUniqueOrThrow({ where: { key: CLUSTER_ID } });
  if (typeof setting.value !== 'string')
    throw new SupernodeError('SN_INVARIANT', 'The cluster id in the database is no text.');
  return setting.value;
}

/** Makes the default tenant and brings it to the settings; a TURN secret that is not configured is made once and kept. */
export async function ensureDefaultTenant(
  prisma: PrismaService,
  identity: IdentityConfig,
  presence: PresenceConfig,
): Promise<void> {
  const fromSettings = {
    apiSecret: identity.apiSecret ?? null,
    jwksUrl: identity.jwksUrl ?? null,
    openRegistration: identity.openRegistration,
    presenceRetentionDays: presence.historyDays,
  };
  await prisma.tenant.createMany({
    data: [
      {
        id: DEFAULT_TENANT,
        name: 'Default',
        turnSecret: randomBytes(32).toString('base64url'),
        ...fromSettings,
      },
    ],
    skipDuplicates: true,
  });
  await prisma.tenant.update({
    where: { id: DEFAULT_TENANT },
    data: {
      ...fromSettings,
      ...(identity.turnSecret === undefined ? {} : { turnSecret: identity.turnSecret }),
    },
  });
}
