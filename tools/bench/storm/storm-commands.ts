/** What the benchmark of storms tells a process with many light clients. Plain JSON: it crosses a process boundary. */
export interface StormCommands {
  /** Registers so many users, signs them in, and makes each watch its neighbours. */
  join: { params: { urls: string[]; handle: string; count: number }; result: Joined };
  /** From now on what happens belongs to the next storm. */
  begin: { params: null; result: null };
  /** Waits until everybody is online and sees both neighbours online. */
  settled: { params: { deadlineMs: number }; result: StormReport };
}

export interface Joined {
  /** Clients for each supernode, by its address. */
  readonly perSupernode: Readonly<Record<string, number>>;
}

/** Instants are by the clock of the machine, in milliseconds. */
export interface StormReport {
  /** The first connection of each user that was lost and is back; not those that were asked to move. */
  readonly reHomed: readonly { readonly lostAt: number; readonly onlineAt: number }[];
  /** Connections that were lost again, as when a slot moves once more. */
  readonly lostAgain: number;
  /** Every sign-in and resume that succeeded. */
  readonly signInsAt: readonly number[];
  readonly resumed: number;
  /** Resumes that found every event. */
  readonly recovered: number;
  /** Neighbours who were there all the time, and were shown as offline. */
  readonly flaps: number;
  readonly refusals: Readonly<Record<string, number>>;
  /** Clients that are not online, or do not see both neighbours, when the time is over. */
  readonly missing: number;
}
