/** What a link does when, and how much it keeps. Times are milliseconds. */
export interface LinkLimits {
  /** Until what is not acknowledged is sent again for the first time; doubles with every time that nothing arrived. */
  readonly retransmitMs: number;
  readonly maxRetransmitMs: number;
  /** How long an acknowledgement waits for something to ride on; well below `retransmitMs`. */
  readonly ackDelayMs: number;
  /** Messages that wait for one supernode, sent or not. */
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  /** Messages on their way to one supernode; the receiver keeps as many that came out of order. */
  readonly window: number;
  readonly maxFrameMessages: number;
  readonly maxFrameBytes: number;
  /** A link without a word in either direction for so long is forgotten; both sides agree anew when there is one again. */
  readonly forgetAfterMs: number;
}

export const DEFAULT_LINK_LIMITS: LinkLimits = {
  retransmitMs: 200,
  maxRetransmitMs: 2000,
  ackDelayMs: 20,
  maxQueued: 20_000,
  maxQueuedBytes: 32 * 1024 * 1024,
  window: 4096,
  maxFrameMessages: 256,
  maxFrameBytes: 256 * 1024,
  forgetAfterMs: 3600_000,
};
