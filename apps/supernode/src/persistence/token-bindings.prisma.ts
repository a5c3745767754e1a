import { Injectable } from '@nestjs/common';
import { encodeBase64url } from '@parley/protocol';
import type { TokenBindingDraft, TokenBindings } from '../identity/accounts.port.ts';
import { PrismaService } from './prisma.service.ts';

/** First-use bindings in the database: inserting the row is the compare-and-set. */
@Injectable()
export class PrismaTokenBindings implements TokenBindings {
  constructor(private readonly prisma: PrismaService) {}

  async bind({ tenant, tokenHash, userId, deviceKey, expiresAt }: TokenBindingDraft): Promise<string> {
    await this.prisma.tokenBinding.createMany({
      data: [
        { tenantId: tenant, tokenHash, userId, deviceKey: Buffer.from(deviceKey, 'base64url'), expiresAt },
      ],
      skipDuplicates: true,
    });
    const row = await this.prisma.tokenBinding.findUniqueOrThrow({
      where: { tenantId_tokenHash: { tenantId: tenant, tokenHash } },
      select: { deviceKey: true },
    });
    return encodeBase64url(row.deviceKey);
  }

  async deleteExpired(now: Date): Promise<number> {
    const { count } = await this.prisma.tokenBinding.deleteMany({ where: { expiresAt: { lt: now } } });
    return count;
  }
}
