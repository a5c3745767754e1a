/** What to do with the 20 ms that are due now. */
export type PlayoutDecision =
  /** Nothing was received yet, or the first frame is not due. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'play'; readonly payload: Uint8Array }
  /** The frame is lost, the next packet carries a copy. */
  | { readonly kind: 'recover'; readonly next: Uint8Array }
  /** The frame is lost, the next packet brought it along. */
  | { readonly kind: 'restore'; readonly payload: Uint8Array }
  /** The frame is lost or late. */
  | { readonly kind: 'conceal' }
  /** More delay is needed: conceal, and stay at the frame. */
  | { readonly kind: 'insert' }
  /** Less delay is needed: two frames in the time of one. */
  | { readonly kind: 'merge'; readonly payloads: readonly [Uint8Array, Uint8Array] }
  /** Nothing came for so long that concealment would only hum. */
  | { readonly kind: 'silence' };

/** What became of a frame that was handed to a jitter buffer. */
export type StoreOutcome = 'stored' | 'late' | 'duplicate' | 'out-of-window';
