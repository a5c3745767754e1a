import { Injectable } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import type { ConnectionTarget } from './connection-settings.ts';
import { PrismaClient } from './generated/client.ts';

/** The typed database client. Injected into repositories (`*.prisma.ts`) only. */
@Injectable()
export class PrismaService extends PrismaClient {
  constructor(target: ConnectionTarget) {
    // Statements and their values can hold secrets: Prisma logs nothing, errors reach the caller.
    super({ adapter: new PrismaPg({ ...target, max: 20 }), log: [] });
  }
}
