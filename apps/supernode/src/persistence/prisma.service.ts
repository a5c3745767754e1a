import { Injectable } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { ConnectionTarget } from './connection-settings.ts';
import { PrismaClient } from './generated/client.ts';

/** Connections of one supernode. */
const MAX_CONNECTIONS = 20;

/** The typed database client. Injected into repositories (`*.prisma.ts`) only. */
@Injectable()
export class PrismaService extends PrismaClient {
  /** The connections themselves, for the few statements that run so often that what Prisma adds to them counts. */
  readonly connections: pg.Pool;

  constructor(target: ConnectionTarget) {
    const connections = new pg.Pool({ ...target, max: MAX_CONNECTIONS });
    // Statements and their values can hold secrets: Prisma logs nothing, errors reach the caller.
    super({ adapter: new PrismaPg(connections, { disposeExternalPool: true }), log: [] });
    this.connections = connections;
  }
}
