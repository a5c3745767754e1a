/** The states of a client's connection to its supernode, and every transition that exists. */
export const CONNECTION_TRANSITIONS = {
  /** Nothing is tried. The start, and the end of a refusal that a retry would not heal. */
  disconnected: ['connecting', 'closed'],
  connecting: ['authenticating', 'reconnecting', 'disconnected', 'closed'],
  /** The transport is open; the device proves itself and reads its state anew. */
  authenticating: ['online', 'reconnecting', 'disconnected', 'closed'],
  online: ['reconnecting', 'disconnected', 'closed'],
  /** Waits for the next try. */
  reconnecting: ['connecting', 'disconnected', 'closed'],
  closed: [],
} as const satisfies Record<string, readonly string[]>;

/** Where a client is on its way to a supernode. */
export type ConnectionState = keyof typeof CONNECTION_TRANSITIONS;

/** Why a transition happened. */
export type ConnectionCause =
  | 'connect-called'
  | 'disconnect-called'
  | 'close-called'
  | 'transport-open'
  | 'transport-failed'
  /** Opening the transport took too long; another supernode is tried. */
  | 'transport-timeout'
  | 'transport-lost'
  | 'signed-in'
  | 'resumed'
  | 'sign-in-refused'
  | 'sign-in-failed'
  /** The user's home is another supernode. */
  | 'redirected'
  | 'go-away'
  | 'replaced'
  | 'revoked'
  | 'backoff-elapsed'
  | 'gave-up';

/** One transition, as the app is told. */
export interface ConnectionChange {
  readonly from: ConnectionState;
  readonly to: ConnectionState;
  readonly cause: ConnectionCause;
  /** Of a `resumed` connection: no event was lost. Where some were, all state was read anew before this. */
  readonly recovered?: boolean;
}

/** Whether the table has this transition. */
export function isTransition(from: ConnectionState, to: ConnectionState): boolean {
  return (CONNECTION_TRANSITIONS[from] as readonly ConnectionState[]).includes(to);
}
