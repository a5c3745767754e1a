import { Injectable } from '@nestjs/common';
import type { TenantId } from '@parley/protocol';
import type { Tenant, TenantStore } from '../identity/tenants.port.ts';
import { PrismaService } from './prisma.service.ts';

/** Tenants in the database. */
@Injectable()
export class PrismaTenantStore implements TenantStore {
  constructor(private readonly prisma: PrismaService) {}

  async find(id: TenantId): Promise<Tenant | undefined> {
    const row = await this.prisma.tenant.findUnique({
      where: { id },
      select: {
        apiSecret: true,
        jwksUrl: true,
        tokenIssuer: true,
        tokenAudience: true,
        openRegistration: true,
      },
    });
    return row ? { id, ...row } : undefined;
  }
}
