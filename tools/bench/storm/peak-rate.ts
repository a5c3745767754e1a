/** The most instants within any window of so many milliseconds. */
export function peakRate(instants: readonly number[], windowMs: number): number {
  const sorted = [...instants].sort((a, b) => a - b);
  let [from, peak] = [0, 0];
  for (const [to, at] of sorted.entries()) {
    while (at - (sorted[from] ?? at) >= windowMs) from += 1;
    peak = Math.max(peak, to - from + 1);
  }
  return peak;
}
