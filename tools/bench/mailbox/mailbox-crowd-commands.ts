/** How a round writes, and to whom. */
export interface Writing {
  readonly ms: number;
  readonly toAway: boolean;
  /** What a sender has to say while a request is under way travels together, receipts too. */
  readonly isGrouped: boolean;
}

/** What the benchmark tells a process that loads the mailboxes. Plain JSON: it crosses a process boundary. */
export interface MailboxCrowdCommands {
  /** Registers so many users and signs all in; users 2n and 2n + 1 become contacts. */
  join: { params: { url: string; count: number }; result: null };
  /** The odd users go away, and come back. */
  away: { params: null; result: null };
  back: { params: null; result: null };
  /** The even users write to the odd ones for so long, with so many messages under way each; waits until all arrived. */
  flood: { params: Writing & { window: number }; result: Flood };
  /** The same at a rate that waits for no answer. */
  pace: { params: Writing & { perSecond: number }; result: Flood };
  /** The odd users read their mailboxes to the end and acknowledge each page. */
  catchUp: { params: null; result: { beganAt: number; endedAt: number; messages: number } };
  /** Messages that did not come exactly once to the right user. */
  wrong: { params: null; result: { wrong: number; messages: number } };
}

/** Times are milliseconds of the clock of the machine. */
export interface Flood {
  readonly messages: number;
  readonly beganAt: number;
  readonly storedAt: number;
  /** When the last message was at its recipient; that of `storedAt` where recipients were away. */
  readonly arrivedAt: number;
  /** When the last receipt was at the sender. */
  readonly receiptedAt: number;
  /** Receipt messages that were sent. */
  readonly receipts: number;
  /** How often the supernode asked to wait. */
  readonly refusals: number;
  /** From the instant that a message was due. */
  readonly storedAfterMs: Quantiles;
  readonly arrivedAfterMs: Quantiles;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}
