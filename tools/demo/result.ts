/** What `npm run demo -- --json` prints as its last line. */
export interface DemoResult {
  readonly ok: boolean;
  readonly lab: 'kernel-nat' | 'loopback';
  readonly scenarios: readonly ScenarioResult[];
  readonly mailbox: MailboxResult;
  readonly call: CallResult;
}

/** A message to a device that was off. */
export interface MailboxResult {
  readonly sent: number;
  /** Messages that the app got exactly once when the device was back. */
  readonly receivedOnce: number;
}

/** A call that rang on two devices and was answered on one. */
export interface CallResult {
  /** From the call to the caller's ring-back. */
  readonly rangMs: number;
  /** Estimated mean opinion score of what the callee heard (1 to 4.5). */
  readonly mos: number;
}

export interface ScenarioResult {
  readonly name: 'direct' | 'relayed';
  /** The path that the session ended on. */
  readonly path: 'direct' | 'relayed' | 'none';
  /** From `openSession` to a usable session. */
  readonly setupMs: number;
  /** From `openSession` to the direct path; null where there is none. */
  readonly upgradeMs: number | null;
  readonly file: { readonly bytes: number; readonly sha256Match: boolean };
  readonly voice: { readonly framesSent: number; readonly framesReceived: number };
  /** Of the media phase: through the supernode, and between the clients without touching it. */
  readonly packets: { readonly viaSupernode: number; readonly direct: number };
}
