import { errorCodeOf, SupernodeError, type SupernodeErrorCode } from '../errors.ts';

/**
 * Codes that say "not now" and not "not so": of Prisma (cannot connect, timed out, connection closed, no connection free,
 * transaction not started), of the operating system, of PostgreSQL (connection exceptions, shutting down, too many
 * connections, a primary that became a replica, cannot serialise, deadlock).
 */
const UNAVAILABLE =
  /^(P1001|P1002|P1008|P1011|P1017|P2024|P2028|P2034|P2037|ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|EHOSTUNREACH|08[0-9A-Z]{3}|57P0[1-5]|53[0-9A-Z]{3}|25006|40001|40P01)$/;
/** What drivers say where they give no code, or one that says nothing by itself: ENOENT is also a missing file. */
const LOST =
  /connect ENOENT|query read timeout|timeout exceeded when trying to connect|connection terminated|connection ended|after calling end on the pool|server has closed the connection|client has encountered a connection error and is not queryable|cannot reach|can't reach database/i;
const MAX_DEPTH = 5;

const UNAVAILABLE_STORES: ReadonlySet<SupernodeErrorCode> = new Set([
  'SN_DB_UNREACHABLE',
  'SN_REDIS_UNREACHABLE',
  'SN_STORE_CONTENDED',
]);

/** Whether an error of a repository, or of a store of live state, means that it is out of reach for the moment. */
export function isStoreUnavailable(thrown: unknown): boolean {
  let error: unknown = thrown;
  for (let depth = 0; depth < MAX_DEPTH && typeof error === 'object' && error !== null; depth++) {
    if (error instanceof SupernodeError && UNAVAILABLE_STORES.has(error.code)) return true;
    const code = errorCodeOf(error);
    if (code !== undefined && UNAVAILABLE.test(code)) return true;
    if (error instanceof Error && LOST.test(error.message)) return true;
    error = causeOf(error);
  }
  return false;
}

/** Prisma keeps what PostgreSQL said of a raw statement beside the error, and not as its cause. */
function causeOf(error: object): unknown {
  if ('cause' in error && error.cause !== undefined) return error.cause;
  const { meta } = error as { readonly meta?: { readonly driverAdapterError?: unknown } };
  return meta?.driverAdapterError;
}
