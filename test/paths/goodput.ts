const WINDOW_MS = 1_000;

/** Bytes per second in the second before a moment and in the second after it. */
export function goodput(
  buckets: readonly (readonly [at: number, bytes: number])[],
  moment: number,
): { readonly before: number; readonly after: number } {
  const within = (from: number): number =>
    buckets.reduce((sum, [at, bytes]) => (at >= from && at < from + WINDOW_MS ? sum + bytes : sum), 0);
  return { before: within(moment - WINDOW_MS), after: within(moment) };
}
