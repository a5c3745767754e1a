import { Injectable } from '@nestjs/common';
import {
  callDescriptionSchema,
  deviceIdSchema,
  LIMITS,
  sessionIdSchema,
  userIdSchema,
  type CallRecord,
  type SessionId,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import type { CallEntry, CallLog, CallPage } from '../calls/call-log.port.ts';
import type { Prisma, CallRecord as Row } from './generated/client.ts';
import { PrismaService } from './prisma.service.ts';

/** Histories of calls in PostgreSQL. */
@Injectable()
export class PrismaCallLog implements CallLog {
  constructor(private readonly prisma: PrismaService) {}

  async save(entry: CallEntry): Promise<CallRecord | undefined> {
    const { tenant: tenantId, userId, sessionId } = entry;
    return this.prisma.$transaction(async (transaction) => {
      // Whoever gives out the user's next cursor holds this lock until the commit, so that cursors appear in order.
      const users = await transaction.$queryRaw<unknown[]>`
        SELECT 1 FROM user_account WHERE tenant_id = ${tenantId} AND user_id = ${userId} FOR NO KEY UPDATE`;
      if (users.length === 0) return undefined;
      const key = { tenantId_userId_sessionId: { tenantId, userId, sessionId } };
      const known = await transaction.callRecord.findUnique({ where: key, select: { outcome: true } });
      if (known && (known.outcome !== null || entry.outcome === null)) return undefined;
      const cursor = await nextCursor(transaction, tenantId, userId);
      const data = { ...columnsOf(entry), cursor };
      const row = await transaction.callRecord.upsert({
        where: key,
        create: { tenantId, userId, sessionId, ...data },
        update: data,
      });
      await trim(transaction, tenantId, userId);
      return recordOf(row);
    });
  }

  async find(tenantId: TenantId, userId: UserId, sessionId: SessionId): Promise<CallEntry | undefined> {
    const key = { tenantId_userId_sessionId: { tenantId, userId, sessionId } };
    const row = await this.prisma.callRecord.findUnique({ where: key });
    if (!row) return undefined;
    const callerDeviceId = deviceIdSchema.parse(row.callerDeviceId);
    return { ...recordOf(row), tenant: tenantId, userId, callerDeviceId };
  }

  async page(tenantId: TenantId, userId: UserId, after: number, limit: number, since = 0): Promise<CallPage> {
    const rows = await this.prisma.callRecord.findMany({
      where: { tenantId, userId, cursor: { gt: after }, startedAt: { gte: new Date(since) } },
      orderBy: { cursor: 'asc' },
      take: limit + 1,
    });
    return { calls: rows.slice(0, limit).map(recordOf), hasMore: rows.length > limit };
  }

  async dropStartedBefore(time: number): Promise<number> {
    return this.prisma.$executeRaw`
      DELETE FROM call_record old WHERE started_at < ${new Date(time)} AND EXISTS (
        SELECT 1 FROM call_record newer
         WHERE newer.tenant_id = old.tenant_id AND newer.user_id = old.user_id AND newer.cursor > old.cursor)`;
  }
}

async function nextCursor(
  transaction: Prisma.TransactionClient,
  tenantId: TenantId,
  userId: UserId,
): Promise<bigint> {
  const { _max } = await transaction.callRecord.aggregate({
    where: { tenantId, userId },
    _max: { cursor: true },
  });
  return (_max.cursor ?? 0n) + 1n;
}

/** The newest stay, and with them the highest cursor, from which the next one follows. */
async function trim(
  transaction: Prisma.TransactionClient,
  tenantId: TenantId,
  userId: UserId,
): Promise<void> {
  await transaction.$executeRaw`
    DELETE FROM call_record WHERE tenant_id = ${tenantId} AND user_id = ${userId} AND cursor <= (
      SELECT cursor FROM call_record WHERE tenant_id = ${tenantId} AND user_id = ${userId}
       ORDER BY cursor DESC OFFSET ${LIMITS.maxCallRecordsPerUser} LIMIT 1)`;
}

function columnsOf(entry: CallEntry) {
  const { peer: peerId, direction, media, callerDeviceId, answeredBy, outcome } = entry;
  const { startedAt, answeredAt, endedAt } = entry;
  return {
    peerId,
    direction,
    media,
    callerDeviceId,
    answeredBy,
    outcome,
    startedAt: new Date(startedAt),
    answeredAt: answeredAt === null ? null : new Date(answeredAt),
    endedAt: endedAt === null ? null : new Date(endedAt),
  };
}

function recordOf(row: Row): CallRecord {
  const { direction, startedAt, answeredAt, endedAt, outcome, answeredBy } = row;
  return {
    cursor: Number(row.cursor),
    sessionId: sessionIdSchema.parse(row.sessionId),
    peer: userIdSchema.parse(row.peerId),
    direction,
    media: callDescriptionSchema.parse(row).media,
    startedAt: startedAt.getTime(),
    answeredAt: answeredAt?.getTime() ?? null,
    endedAt: endedAt?.getTime() ?? null,
    outcome,
    answeredBy: answeredBy === null ? null : deviceIdSchema.parse(answeredBy),
  };
}
