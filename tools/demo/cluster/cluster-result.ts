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
  /** Calls and sessions whose relay lived elsewhere, or that had none. */
  readonly untouched: { readonly count: number; readonly broken: number; readonly longestGapMs: number };
  /** Those that ran through the lost relay. */
  readonly throughLostRelay: {
    readonly count: number;
    readonly broken: number;
    readonly longestGapMs: number;
  };
}
