export type ClusterErrorCode =
  /** The machine lacks a program; the message says which, and how it gets there. */
  | 'PROGRAM_MISSING'
  /** A process ended, or did not say in time that it is ready; the message has the end of what it wrote. */
  | 'START_FAILED'
  /** What was waited for did not come in time. */
  | 'DEADLINE';

/** What keeps a cluster of real processes from running. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';

  constructor(
    readonly code: ClusterErrorCode,
    message: string,
  ) {
    super(message);
  }
}
