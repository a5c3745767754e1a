import { Injectable } from '@nestjs/common';
import { userIdSchema, type TenantId, type UserId } from '@parley/protocol';
import type {
  AccountPresence,
  PresenceProfile,
  PresenceProfiles,
  PresenceTransitionEntry,
} from '../presence/presence-profile.port.ts';
import { PrismaService } from './prisma.service.ts';

/** What presence leaves behind in PostgreSQL. */
@Injectable()
export class PrismaPresenceProfiles implements PresenceProfiles {
  constructor(private readonly prisma: PrismaService) {}

  async load(tenantId: TenantId, userId: UserId): Promise<PresenceProfile | undefined> {
    const row = await this.prisma.user.findUnique({
      where: { tenantId_userId: { tenantId, userId } },
      select: { chosenPresence: true, statusText: true, lastSeenAt: true },
    });
    if (!row) return undefined;
    return {
      chosen: row.chosenPresence,
      statusText: row.statusText,
      lastSeen: row.lastSeenAt?.getTime() ?? null,
    };
  }

  async lastSeenOf(tenantId: TenantId, userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, number>> {
    const rows = await this.prisma.user.findMany({
      where: { tenantId, userId: { in: [...userIds] }, lastSeenAt: { not: null } },
      select: { userId: true, lastSeenAt: true },
    });
    return new Map(rows.map((row) => [userIdSchema.parse(row.userId), row.lastSeenAt?.getTime() ?? 0]));
  }

  async accounts(
    tenantId: TenantId,
    after: UserId | undefined,
    limit: number,
  ): Promise<readonly AccountPresence[]> {
    const rows = await this.prisma.user.findMany({
      where: { tenantId, status: { not: 'deleted' }, ...(after !== undefined && { userId: { gt: after } }) },
      select: { userId: true, lastSeenAt: true },
      orderBy: { userId: 'asc' },
      take: limit,
    });
    return rows.map((row) => ({
      userId: userIdSchema.parse(row.userId),
      lastSeen: row.lastSeenAt?.getTime() ?? null,
    }));
  }

  async saveChoice(
    tenantId: TenantId,
    userId: UserId,
    chosenPresence: PresenceProfile['chosen'],
    statusText: string | null,
  ): Promise<void> {
    await this.prisma.user.updateMany({ where: { tenantId, userId }, data: { chosenPresence, statusText } });
  }

  async saveLastSeen(tenantId: TenantId, userId: UserId, lastSeen: number): Promise<void> {
    await this.prisma.user.updateMany({
      where: { tenantId, userId },
      data: { lastSeenAt: new Date(lastSeen) },
    });
  }

  async record({ tenant, userId, deviceId, from, to, cause, at }: PresenceTransitionEntry): Promise<void> {
    await this.prisma.presenceTransition.create({
      data: { tenantId: tenant, userId, deviceId, fromState: from, toState: to, cause, at: new Date(at) },
    });
  }

  async prune(now: number): Promise<number> {
    return this.prisma.$executeRaw`
      DELETE FROM presence_transition USING tenant
       WHERE tenant.id = presence_transition.tenant_id
         AND presence_transition.at < ${new Date(now)}::timestamptz - make_interval(days => tenant.presence_retention_days)`;
  }
}
