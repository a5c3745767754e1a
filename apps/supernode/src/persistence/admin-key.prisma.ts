import { Injectable } from '@nestjs/common';
import { tenantIdSchema, type TenantId } from '@parley/protocol';
import type { AdminKeyRecord, AdminKeyRepository } from '../admin/admin-key.repository.ts';
import type { AuditRecord } from '../admin/audit.ts';
import { auditRow } from './audit-row.ts';
import type { AdminKey } from './generated/client.ts';
import { PrismaService } from './prisma.service.ts';

@Injectable()
export class PrismaAdminKeyRepository implements AdminKeyRepository {
  constructor(private readonly prisma: PrismaService) {}

  async findByHash(keyHash: Uint8Array<ArrayBuffer>): Promise<AdminKeyRecord | undefined> {
    const row = await this.prisma.adminKey.findUnique({ where: { keyHash } });
    return row === null ? undefined : recordOf(row);
  }

  async find(tenant: TenantId, id: string): Promise<AdminKeyRecord | undefined> {
    const row = await this.prisma.adminKey.findUnique({ where: { tenantId_id: { tenantId: tenant, id } } });
    return row === null ? undefined : recordOf(row);
  }

  async list(tenant: TenantId, after: string | undefined, limit: number): Promise<readonly AdminKeyRecord[]> {
    const rows = await this.prisma.adminKey.findMany({
      where: { tenantId: tenant, ...(after === undefined ? {} : { id: { gt: after } }) },
      orderBy: { id: 'asc' },
      take: limit,
    });
    return rows.map(recordOf);
  }

  async save(key: AdminKeyRecord, audit: AuditRecord): Promise<void> {
    const { tenant, id, scopes, ...rest } = key;
    const columns = { ...rest, scopes: [...scopes] };
    await this.prisma.$transaction([
      this.prisma.adminKey.upsert({
        where: { tenantId_id: { tenantId: tenant, id } },
        create: { tenantId: tenant, id, ...columns },
        update: columns,
      }),
      this.prisma.auditEntry.create({ data: auditRow(audit) }),
    ]);
  }

  async revoke(tenant: TenantId, id: string, at: Date, audit: AuditRecord): Promise<boolean> {
    return this.prisma.$transaction(async (transaction) => {
      const { count } = await transaction.adminKey.updateMany({
        where: { tenantId: tenant, id, revokedAt: null },
        data: { revokedAt: at },
      });
      if (count > 0) await transaction.auditEntry.create({ data: auditRow(audit) });
      return count > 0;
    });
  }

  async touch(tenant: TenantId, id: string, at: Date): Promise<void> {
    await this.prisma.adminKey.updateMany({ where: { tenantId: tenant, id }, data: { lastUsedAt: at } });
  }
}

function recordOf({ tenantId, ...row }: AdminKey): AdminKeyRecord {
  return { ...row, tenant: tenantIdSchema.parse(tenantId) };
}
