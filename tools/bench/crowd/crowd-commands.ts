/** What the benchmark of messages tells a process with many edge clients. Plain JSON: it crosses a process boundary. */
export interface CrowdCommands {
  /** Opens as many clients, each with a folder of its own; registers those that are new, and connects all. */
  join: {
    params: { url: string; folder: string; handle: string; count: number; includeLoopback: boolean };
    result: { userIds: string[] };
  };
  /** Closes all clients; `join` brings them back. */
  leave: { params: null; result: null };
  /** Client n asks user n. */
  request: { params: { userIds: string[] }; result: null };
  /** Client n accepts user n. */
  accept: { params: { userIds: string[] }; result: null };
  /** Invisible clients send no receipts. */
  setPresence: { params: { state: 'online' | 'invisible' }; result: null };
  /** Client n opens a session with user n and waits for the direct path. */
  openSessions: { params: { userIds: string[] }; result: null };
  /** Every client sends to its peer as fast as its messages are stored. */
  flood: { params: { userIds: string[]; round: string; perClient: number }; result: Sent };
  /** All clients in turn, at a rate that does not wait for answers. */
  pace: { params: { userIds: string[]; round: string; perClient: number; perSecond: number }; result: Sent };
  /** Waits until so many different messages of the round came to the apps. */
  arrivals: { params: { round: string; count: number }; result: Arrivals };
  /** Every round so far. */
  tally: { params: null; result: Record<string, Tally> };
}

export interface Sent {
  /** By the clock of the machine, in milliseconds. */
  readonly beganAt: number;
  /** When the last message was stored, or taken by the peer's device. */
  readonly storedAt: number;
  /** From the instant that a message was due to `stored`, in milliseconds. */
  readonly storedAfterMs: readonly number[];
}

export interface Arrivals {
  /** By the clock of the machine, in milliseconds. */
  readonly lastAt: number;
  /** From the instant that a message was due to the handler of the app, in milliseconds. */
  readonly latenciesMs: readonly number[];
}

export interface Tally {
  readonly different: number;
  /** Handed to the app again, for another client, or not as it was sent. */
  readonly wrong: number;
}
