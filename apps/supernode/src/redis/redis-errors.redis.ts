import { ErrorReply } from 'redis';
import { messageOf, SupernodeError } from '../errors.ts';
import { STALE_EPOCH } from './slot-fence.ts';

/** First words of errors that say "not now": loading, a script runs, a failover or a move of keys is under way, no memory. */
const TRANSIENT =
  /^(LOADING|BUSY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|READONLY|NOREPLICAS|MISCONF|OOM|MOVED|ASK)\b/;

/** What a command ended with, as the rest of the supernode knows it. */
export function redisError(operation: string, thrown: unknown): SupernodeError {
  const message = messageOf(thrown);
  if (!(thrown instanceof ErrorReply) || TRANSIENT.test(message)) {
    return new SupernodeError('SN_REDIS_UNREACHABLE', `Redis does not serve ${operation} now: ${message}`, {
      cause: thrown,
    });
  }
  if (message.startsWith(STALE_EPOCH)) {
    return new SupernodeError('SN_NOT_OWNER', `The slot has another owner since: ${operation} is refused.`, {
      cause: thrown,
    });
  }
  return new SupernodeError('SN_REDIS_REFUSED', `Redis refuses ${operation}: ${message}`, { cause: thrown });
}

/** The server does not know the script by its digest. */
export function isUnknownScript(thrown: unknown): boolean {
  return thrown instanceof ErrorReply && thrown.message.startsWith('NOSCRIPT');
}
