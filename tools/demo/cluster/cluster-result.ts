/** What `npm run demo -- cluster --json` prints as its last line. */
export interface ClusterDemoResult {
  readonly ok: boolean;
  readonly supernodes: number;
  readonly clients: number;
  readonly blows: readonly BlowResult[];
  readonly messages: {
    readonly stored: number;
    /** Stored, and at the app of the receiver once. */
    readonly receivedOnce: number;
    readonly lost: number;
    readonly duplicates: number;
  };
  /** Users who were there all the time and were shown as offline. */
  readonly presenceFlaps: number;
}

/** One supernode that was killed. */
export interface BlowResult {
  readonly killed: 'coordinator' | 'home';
  readonly nodeId: string;
  /** From the kill to a roster without it. */
  readonly rosterMs: number | null;
  /** Who coordinates afterwards. */
  readonly coordinator: string | null;
  readonly reHomed: number;
  /** From the kill to the last client that is online again. */
  readonly lastReHomedMs: number | null;
  /** Ends of calls and sessions whose relays lived elsewhere, or that had none. */
  readonly untouched: Tally;
  /** Ends of those that ran through a relay at the killed supernode. */
  readonly throughLostRelay: Tally;
  /** The longest time in which one of the processes with the clients did nothing at all; it is part of every silence. */
  readonly longestStallMs: number;
  readonly conversations: readonly ConversationResult[];
}

export interface Tally {
  readonly count: number;
  readonly broken: number;
  readonly longestGapMs: number;
}

/** How one end of a call or session bore a blow. */
export interface ConversationResult {
  readonly name: string;
  readonly peer: string;
  readonly kind: 'call' | 'session';
  /** Whether either end sent through a relay at the killed supernode right before. */
  readonly ranThroughLost: boolean;
  readonly before: Travel;
  readonly after: Travel;
  /** Why it is over, when it should not be. */
  readonly broken: string | null;
  readonly longestGapMs: number;
}

/** How an end sends, and the supernodes that relay it. */
export interface Travel {
  readonly path: string;
  readonly through: readonly string[];
}
