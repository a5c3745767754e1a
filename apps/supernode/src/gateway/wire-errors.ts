import { randomUUID } from 'node:crypto';
import { refused, WIRE_ERRORS, type Acknowledgement } from '@parley/protocol';
import { SupernodeError, type SupernodeErrorCode } from '../errors.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import { Refusal } from '../refusal.ts';

/** The error half of an acknowledgement, and under which id the log has the cause where a fault of ours is behind it. */
export interface MappedError {
  readonly reply: Acknowledgement<never>;
  readonly correlationId?: string;
}

/** How long clients wait before they ask a store again that was away. */
const STORE_RETRY_MS = 2_000;
/** Over which they come then: a store that was away for all is asked by all. */
const STORE_WINDOW_MS = 3_000;

/** Another supernode, that of the other user, does not answer: soon it does, or somebody else does in its place. */
const LINK_FAILURES: ReadonlySet<SupernodeErrorCode> = new Set([
  'SN_LINK_TIMEOUT',
  'SN_LINK_CLOSED',
  'SN_LINK_OVERLOADED',
]);

/** What a client is told of anything that a handler threw: never the payload, never the message of an unknown error. */
export function mapError(thrown: unknown): MappedError {
  if (thrown instanceof Refusal) {
    return { reply: refused(thrown.code, thrown.message, thrown.retryAfterMs, thrown) };
  }
  // The slot of the user moved while the request was under way.
  if (thrown instanceof SupernodeError && thrown.code === 'SN_NOT_OWNER') {
    return { reply: refused('NOT_HOME', WIRE_ERRORS.NOT_HOME.doc) };
  }
  const correlationId = randomUUID();
  const isLinkDown = thrown instanceof SupernodeError && LINK_FAILURES.has(thrown.code);
  if (isLinkDown || isStoreUnavailable(thrown)) {
    const what = isLinkDown ? 'Another supernode' : 'A store';
    const message = `${what} is out of reach; correlation id ${correlationId}.`;
    const reply = refused('STORE_UNAVAILABLE', message, STORE_RETRY_MS, { windowMs: STORE_WINDOW_MS });
    return { reply, correlationId };
  }
  return {
    reply: refused('INTERNAL', `A fault of the supernode; correlation id ${correlationId}.`),
    correlationId,
  };
}
