import { Injectable } from '@nestjs/common';
import type { TenantId } from '@parley/protocol';
import type { Tenant, TenantStore } from '../identity/tenants.port.ts';
import { FrequentStatements } from './frequent-statements.ts';
import { PrismaService } from './prisma.service.ts';

/** Every sign-in asks for it. */
const TENANT = {
  name: 'tenant',
  text: `
    SELECT api_secret AS "apiSecret", jwks_url AS "jwksUrl", token_issuer AS "tokenIssuer",
           token_audience AS "tokenAudience", open_registration AS "openRegistration"
      FROM tenant
     WHERE id = $1`,
};

/** Tenants in the database. */
@Injectable()
export class PrismaTenantStore implements TenantStore {
  private readonly statements: FrequentStatements;

  constructor(prisma: PrismaService) {
    this.statements = new FrequentStatements(prisma.connections);
  }

  async find(id: TenantId): Promise<Tenant | undefined> {
    const [row] = await this.statements.run<Omit<Tenant, 'id'>>(TENANT, [id]);
    return row && { id, ...row };
  }
}
