/** What the benchmark of presence tells a process of users. Plain JSON: it crosses a process boundary. */
export interface PresenceCommands {
  /** Registers publishers with so many watchers each, who are their contacts, and signs all in. */
  join: {
    params: { urls: string[]; publishers: number; watchersEach: number };
    result: null;
  };
  /** Every publisher changes its presence so often, at a steady pace, spread over the time between. */
  publish: { params: { rounds: number; everyMs: number }; result: Published };
  /** Nobody does anything; what travels all the same. */
  idle: { params: { ms: number }; result: { bytesPerClient: number } };
  leave: { params: null; result: null };
}

export interface Published {
  readonly updates: number;
  /** Milliseconds from the request of the publisher to the event at a watcher of the same home, and of another. */
  readonly sameHomeMs: readonly number[];
  readonly otherHomeMs: readonly number[];
  /** Deliveries that did not come. */
  readonly missing: number;
}
