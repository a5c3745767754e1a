/** What the benchmark of presence tells a process of users. Plain JSON: it crosses a process boundary. */
export interface PresenceCommands {
  /** Registers publishers and watchers and signs them in, beside those who are; they are to become contacts now. */
  join: { params: Group & { urls: string[] }; result: { contacts: Pair[] } };
  /** The watchers who joined last watch their publishers. */
  watch: { params: null; result: null };
  /** The publishers who joined last each change their presence as soon as all of their watchers saw the change before. */
  publishAtFull: { params: { ms: number }; result: Published };
  /** They change it so often together, at a steady pace, spread over them, whether or not anything arrived. */
  publishAt: { params: { updatesPerSecond: number; ms: number }; result: Published };
  /** Nobody does anything; what travels all the same. */
  idle: { params: { ms: number }; result: { bytesPerClient: number; clients: number } };
}

/** User ids of a publisher and of one who watches it. */
export type Pair = readonly [publisher: string, watcher: string];

export interface Group {
  readonly publishers: number;
  readonly watchersEach: number;
}

export interface Published {
  readonly updates: number;
  /** From the first update to the last arrival. */
  readonly ms: number;
  /** Milliseconds from when an update was due to the event at a watcher with the same home, and with another. */
  readonly sameHomeMs: readonly number[];
  readonly otherHomeMs: readonly number[];
  /** Supernodes other than the home of a publisher that host a watcher of it: the mean of all updates. */
  readonly otherHomes: number;
  /** Deliveries that did not come. */
  readonly missing: number;
}
