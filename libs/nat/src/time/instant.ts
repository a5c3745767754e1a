/** Milliseconds on a monotonic clock. Cores never read a clock; every entry point takes `now`. */
export type Instant = number & { readonly __brand: 'Instant' };

/** Marks a plain number of milliseconds as an {@link Instant}. */
export function instant(milliseconds: number): Instant {
  return milliseconds as Instant;
}

/** The instant `milliseconds` after `from`. */
export function after(from: Instant, milliseconds: number): Instant {
  return (from + milliseconds) as Instant;
}

/** The first of several instants, for cores that are made of cores with timers of their own. */
export function earliest(...instants: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined;
  for (const at of instants) if (at !== undefined && (first === undefined || at < first)) first = at;
  return first;
}
