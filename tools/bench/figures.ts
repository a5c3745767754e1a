import type { BenchmarkOptions } from './benchmark-options.ts';

/** One measured figure; `ratio` is value over yardstick, both taken side by side in the same run. */
export interface Figure {
  readonly value: number;
  readonly unit: string;
  readonly yardstick?: { readonly name: string; readonly value: number };
  readonly ratio?: number;
}

export interface BenchmarkResult {
  readonly figures: Readonly<Record<string, Figure>>;
  readonly rows?: readonly Readonly<Record<string, string | number>>[];
  /** What a reader must know to judge the figures. */
  readonly notes?: readonly string[];
  /** What is not as it must be; the command then fails. */
  readonly failures?: readonly string[];
}

export interface Benchmark {
  readonly name: string;
  readonly what: string;
  /** Names of what it can be told as `--name=value`. @default none */
  readonly options?: readonly string[];
  run(given: BenchmarkOptions): Promise<BenchmarkResult>;
}

/** The machine lacks what a benchmark needs; the message says what. */
export class BenchmarkUnavailableError extends Error {
  override readonly name = 'BenchmarkUnavailableError';
}

/** The middle value, or the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** The smallest value that at least `fraction` of the values do not exceed. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

/** A figure with its yardstick; the ratio is the median of the rounds' ratios, which noise of the machine hits alike. */
export function compared(
  rounds: readonly { readonly value: number; readonly yardstick: number }[],
  unit: string,
  yardstickName: string,
): Figure {
  return {
    value: median(rounds.map((round) => round.value)),
    unit,
    yardstick: { name: yardstickName, value: median(rounds.map((round) => round.yardstick)) },
    ratio: median(rounds.map((round) => round.value / round.yardstick)),
  };
}
