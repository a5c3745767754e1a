import type pg from 'pg';
import { SupernodeError } from '../errors.ts';

/** Below the deadline of a request, so that a database that hangs is told as one that is away. */
const TIMEOUT_MS = 8_000;
/** What the driver says, without any code, of a statement that took longer. */
const TIMED_OUT = 'Query read timeout';

/** A statement under a name: each connection parses it once. */
export interface FrequentStatement {
  readonly name: string;
  readonly text: string;
}

/** What the driver takes; its types lack the timeout. */
interface TimedQuery extends pg.QueryConfig {
  readonly query_timeout: number;
}

/** Runs the statements of every message past the query engine, which costs more than they do. */
export class FrequentStatements {
  constructor(
    private readonly connections: pg.Pool,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {}

  /** @throws SupernodeError SN_DB_UNREACHABLE when it takes too long, or what the driver throws */
  async run<Row extends object>(
    statement: FrequentStatement,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    try {
      const query: TimedQuery = { ...statement, values: [...values], query_timeout: this.timeoutMs };
      const { rows } = await this.connections.query(query);
      return rows as Row[];
    } catch (cause) {
      if (!(cause instanceof Error) || cause.message !== TIMED_OUT) throw cause;
      throw new SupernodeError('SN_DB_UNREACHABLE', 'The database does not answer in time.', { cause });
    }
  }
}
