import { Injectable } from '@nestjs/common';
import type { TenantTurnSecret, TurnSecrets } from '../nat/turn-secrets.port.ts';
import { PrismaService } from './prisma.service.ts';

/** TURN secrets in the tenants' rows. */
@Injectable()
export class PrismaTurnSecrets implements TurnSecrets {
  constructor(private readonly prisma: PrismaService) {}

  async all(): Promise<readonly TenantTurnSecret[]> {
    const rows = await this.prisma.tenant.findMany({ select: { id: true, turnSecret: true } });
    return rows.map(({ id, turnSecret }) => ({ tenantId: id, secret: turnSecret }));
  }

  async find(tenantId: string): Promise<string | undefined> {
    const row = await this.prisma.tenant.findUnique({
      where: { id: tenantId },
      select: { turnSecret: true },
    });
    return row?.turnSecret;
  }
}
