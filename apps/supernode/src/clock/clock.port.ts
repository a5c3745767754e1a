/** Time as services see it; tests move it by hand. */
export interface Clock {
  /** Milliseconds since the epoch: for rows, expiry of credentials and what people read. */
  now(): number;
  /** Milliseconds that never run backwards: for intervals and budgets. */
  monotonic(): number;
}

export const CLOCK = Symbol('Clock');
