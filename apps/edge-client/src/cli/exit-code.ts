/** Exit codes of `parley`, after sysexits.h where it has one. */
export const EXIT = {
  /** Done; also the end of `watch` and `receive` by Ctrl-C. */
  ok: 0,
  /** Failed, and would fail again. */
  failed: 1,
  /** Wrong use of the command. */
  usage: 64,
  /** Failed for now: the same command may succeed later. */
  tryAgain: 75,
  /** Ended by Ctrl-C before it was done. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
