/** How an error is treated at the boundaries; declared once per code. */
interface ErrorTraits {
  /** For operators, on the reference page. */
  readonly doc: string;
  /** The same request may succeed later without a change by the caller. */
  readonly retryable: boolean;
  /** Process exit code where the error stops a start (78 is EX_CONFIG of sysexits.h). */
  readonly exitCode: 1 | 78;
}

const OPERATOR = { retryable: false, exitCode: 78 } as const satisfies Omit<ErrorTraits, 'doc'>;
const FAULT = { retryable: false, exitCode: 1 } as const satisfies Omit<ErrorTraits, 'doc'>;
const AGAIN = { retryable: true, exitCode: 1 } as const satisfies Omit<ErrorTraits, 'doc'>;

/** Every code that a supernode's own errors carry. Codes are stable: never renamed, never reused. */
export const SUPERNODE_ERRORS = {
  SN_CONFIG_INVALID: { ...OPERATOR, doc: 'The settings are wrong; the message lists every problem.' },
  SN_LISTEN_FAILED: { ...OPERATOR, doc: 'A listener could not be bound.' },
  SN_TLS_INVALID: {
    ...OPERATOR,
    doc: 'The TLS certificate or its key cannot be read, or the two do not belong together.',
  },
  SN_DATA_FOLDER_LOCKED: {
    ...AGAIN,
    doc: 'Another process works on the data folder; the message names its pid.',
  },
  SN_DATA_FOLDER_UNUSABLE: { ...OPERATOR, doc: 'The data folder cannot be created, entered or protected.' },
  SN_BACKUP_REFUSED: {
    ...OPERATOR,
    doc: 'A backup or restore would overwrite something, or has nothing to work on.',
  },
  SN_TRANSFER_REFUSED: {
    ...OPERATOR,
    doc: 'An export or import has nothing to work on, or would meet data that is there.',
  },
  SN_OPERATION_REFUSED: {
    ...OPERATOR,
    doc: 'A command has nothing to work on, or would do harm now; the message says why.',
  },
  SN_DB_VERSION_MISMATCH: {
    ...OPERATOR,
    doc: 'The embedded database was written by another major version of PostgreSQL.',
  },
  SN_DB_CORRUPTED: { ...FAULT, doc: 'Files of the embedded database are missing or damaged.' },
  SN_DB_UNSUPPORTED: {
    ...OPERATOR,
    doc: 'No embedded PostgreSQL exists for this platform, or it cannot run here.',
  },
  SN_DB_START_FAILED: { ...FAULT, doc: 'The embedded database did not start for another reason.' },
  SN_DB_UNREACHABLE: { ...AGAIN, doc: 'The database cannot be reached.' },
  SN_DB_SCHEMA_NEWER: { ...OPERATOR, doc: 'The database holds migrations that this version does not know.' },
  SN_DB_MIGRATION_BROKEN: { ...FAULT, doc: 'A migration failed before, or was edited after it was applied.' },
  SN_REDIS_UNREACHABLE: {
    ...AGAIN,
    doc: 'Redis, where supernodes of a cluster share live state, cannot be reached.',
  },
  SN_REDIS_REFUSED: { ...FAULT, doc: 'Redis answered a command with an error that time does not heal.' },
  SN_STORE_CONTENDED: {
    ...AGAIN,
    doc: 'A record of shared live state changed again and again while this supernode wanted to change it.',
  },
  SN_NOT_OWNER: {
    ...AGAIN,
    doc: 'Live state of a user is written by its home only; this supernode is not its home, or not any more.',
  },
  SN_LINK_TIMEOUT: { ...AGAIN, doc: 'Another supernode did not answer in time.' },
  SN_LINK_CLOSED: {
    ...AGAIN,
    doc: 'There is no link to that supernode: it restarted or left, or this one is alone.',
  },
  SN_LINK_OVERLOADED: { ...AGAIN, doc: 'Too much waits for that supernode already.' },
  SN_LINK_REFUSED: {
    ...FAULT,
    doc: 'Another supernode could not do what it was asked to; the message has its code.',
  },
  SN_RELAY_UNAVAILABLE: {
    ...AGAIN,
    doc: 'The thread of the STUN and TURN servers does not run; it is being started again.',
  },
  SN_INVARIANT: { ...FAULT, doc: 'A bug: a state that the code rules out.' },
} as const satisfies Record<string, ErrorTraits>;

/** A stable code of {@link SUPERNODE_ERRORS}. */
export type SupernodeErrorCode = keyof typeof SUPERNODE_ERRORS;

/** The one error class of the supernode; match on `code`, not on the class. */
export class SupernodeError extends Error {
  readonly code: SupernodeErrorCode;

  constructor(code: SupernodeErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SupernodeError';
    this.code = code;
  }

  get retryable(): boolean {
    return SUPERNODE_ERRORS[this.code].retryable;
  }

  get exitCode(): number {
    return SUPERNODE_ERRORS[this.code].exitCode;
  }
}

/** The message of anything that was thrown, for the text of a wrapping error. */
export function messageOf(thrown: unknown): string {
  // By shape: an error of another realm (a worker, a test environment) is no instance of our Error.
  if (typeof thrown === 'object' && thrown !== null && 'message' in thrown) return String(thrown.message);
  return String(thrown);
}

/** The `code` of a system or library error (`ENOENT`, `P2002`), where there is one. */
export function errorCodeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
