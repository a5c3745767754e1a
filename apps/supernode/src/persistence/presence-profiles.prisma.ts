import { Injectable } from '@nestjs/common';
import { userIdSchema, type TenantId, type UserId } from '@parley/protocol';
import type {
  AccountPresence,
  PresenceProfile,
  PresenceProfiles,
  PresenceTransitionEntry,
} from '../presence/presence-profile.port.ts';
import { FrequentStatements } from './frequent-statements.ts';
import { PrismaService } from './prisma.service.ts';

interface ProfileRow {
  readonly chosen: PresenceProfile['chosen'];
  readonly statusText: string | null;
  readonly lastSeen: Date | null;
}

interface LastSeenRow {
  readonly userId: string;
  readonly lastSeen: Date;
}

const PROFILE = {
  name: 'presence-profile',
  text: `
    SELECT chosen_presence AS chosen, status_text AS "statusText", last_seen_at AS "lastSeen"
      FROM user_account
     WHERE tenant_id = $1 AND user_id = $2`,
};

const LAST_SEEN = {
  name: 'last-seen',
  text: `
    SELECT user_id AS "userId", last_seen_at AS "lastSeen"
      FROM user_account
     WHERE tenant_id = $1 AND user_id = ANY($2::text[]) AND last_seen_at IS NOT NULL`,
};

const SAVE_CHOICE = {
  name: 'save-presence-choice',
  text: `
    UPDATE user_account SET chosen_presence = $3::chosen_presence, status_text = $4, updated_at = now()
     WHERE tenant_id = $1 AND user_id = $2`,
};

const SAVE_LAST_SEEN = {
  name: 'save-last-seen',
  text: `
    UPDATE user_account SET last_seen_at = $3::timestamptz, updated_at = now()
     WHERE tenant_id = $1 AND user_id = $2`,
};

/** An account that went meanwhile takes its history with it, and not that of others. */
const RECORD = {
  name: 'record-presence',
  text: `
    INSERT INTO presence_transition (tenant_id, user_id, device_id, from_state, to_state, cause, at)
    SELECT entry.tenant_id, entry.user_id, entry.device_id, entry.from_state, entry.to_state, entry.cause, entry.at
      FROM unnest($1::text[], $2::text[], $3::text[], $4::presence_state[], $5::presence_state[], $6::text[],
                  $7::timestamptz[])
           WITH ORDINALITY AS entry(tenant_id, user_id, device_id, from_state, to_state, cause, at, place)
      JOIN user_account account ON account.tenant_id = entry.tenant_id AND account.user_id = entry.user_id
     ORDER BY entry.place`,
};

/** What presence leaves behind in PostgreSQL. */
@Injectable()
export class PrismaPresenceProfiles implements PresenceProfiles {
  private readonly statements: FrequentStatements;

  constructor(private readonly prisma: PrismaService) {
    this.statements = new FrequentStatements(prisma.connections);
  }

  async load(tenantId: TenantId, userId: UserId): Promise<PresenceProfile | undefined> {
    const [row] = await this.statements.run<ProfileRow>(PROFILE, [tenantId, userId]);
    return row && { ...row, lastSeen: row.lastSeen?.getTime() ?? null };
  }

  async lastSeenOf(tenantId: TenantId, userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, number>> {
    const rows = await this.statements.run<LastSeenRow>(LAST_SEEN, [tenantId, userIds]);
    return new Map(rows.map(({ userId, lastSeen }) => [userIdSchema.parse(userId), lastSeen.getTime()]));
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
    await this.statements.run(SAVE_CHOICE, [tenantId, userId, chosenPresence, statusText]);
  }

  async saveLastSeen(tenantId: TenantId, userId: UserId, lastSeen: number): Promise<void> {
    await this.statements.run(SAVE_LAST_SEEN, [tenantId, userId, new Date(lastSeen)]);
  }

  async record(transitions: readonly PresenceTransitionEntry[]): Promise<void> {
    await this.statements.run(RECORD, [
      transitions.map(({ tenant }) => tenant),
      transitions.map(({ userId }) => userId),
      transitions.map(({ deviceId }) => deviceId),
      transitions.map(({ from }) => from),
      transitions.map(({ to }) => to),
      transitions.map(({ cause }) => cause),
      transitions.map(({ at }) => new Date(at)),
    ]);
  }

  async prune(now: number): Promise<number> {
    return this.prisma.$executeRaw`
      DELETE FROM presence_transition USING tenant
       WHERE tenant.id = presence_transition.tenant_id
         AND presence_transition.at < ${new Date(now)}::timestamptz - make_interval(days => tenant.presence_retention_days)`;
  }
}
