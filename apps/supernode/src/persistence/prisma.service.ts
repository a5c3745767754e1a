import { Injectable } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { ConnectionTarget } from './connection-settings.ts';
import { PrismaClient } from './generated/client.ts';

/** Connections of one supernode. */
const MAX_CONNECTIONS = 20;

/** How long a server is waited for that does not even refuse: after a failover its address may lead nowhere for a while. */
export interface DatabaseLimits {
  /** Milliseconds until a connection must stand, or one of those that stand must be free. */
  readonly connectMs: number;
  /** Milliseconds until a statement has failed and its connection is given up. Sweeps of large tables take long. */
  readonly statementMs: number;
}
const LIMITS: DatabaseLimits = { connectMs: 10_000, statementMs: 60_000 };

/** The typed database client. Injected into repositories (`*.prisma.ts`) only. */
@Injectable()
export class PrismaService extends PrismaClient {
  /** The connections themselves, for the few statements that run so often that what Prisma adds to them counts. */
  readonly connections: pg.Pool;

  constructor(target: ConnectionTarget, { connectMs, statementMs }: DatabaseLimits = LIMITS) {
    const connections = new pg.Pool({
      ...target,
      max: MAX_CONNECTIONS,
      keepAlive: true,
      connectionTimeoutMillis: connectMs,
      query_timeout: statementMs,
    });
    // Statements and their values can hold secrets: Prisma logs nothing, errors reach the caller.
    super({ adapter: new PrismaPg(connections, { disposeExternalPool: true }), log: [] });
    this.connections = connections;
  }
}
