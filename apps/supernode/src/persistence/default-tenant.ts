import { randomBytes } from 'node:crypto';
import { DEFAULT_TENANT } from '@parley/protocol';
import type { IdentityConfig, PresenceConfig } from '../config/config.schema.ts';
import type { PrismaService } from './prisma.service.ts';

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
