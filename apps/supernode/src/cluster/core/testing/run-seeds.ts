/** Runs the seeds that its parent process asks for, and tells it of each; a process of `simulation/main.mjs`. */
import { InvariantViolation } from './cluster-invariants.ts';
import type { PlantedFault } from './planted-faults.ts';
import { simulate, type Outcome } from './simulated-run.ts';

/** Every `step`th seed from `from` on, before `before`. */
export interface SeedRange {
  readonly from: number;
  readonly before: number;
  readonly step: number;
  /** No seed begins after so many seconds, once `atLeast` of them are done. */
  readonly seconds: number;
  readonly atLeast: number;
  readonly historyLines: number;
  readonly planted?: PlantedFault;
}

export interface SeedReport {
  readonly outcomes: readonly Outcome[];
  readonly violation: { readonly seed: number; readonly message: string } | undefined;
  readonly isLast: boolean;
}

const SEEDS_PER_REPORT = 25;

process.once('message', (range: SeedRange) => {
  run(range);
});

function run({ from, before, step, seconds, atLeast, ...options }: SeedRange): void {
  let outcomes: Outcome[] = [];
  const endsAt = performance.now() + seconds * 1000;
  for (let seed = from; seed < before; seed += step) {
    if (seed >= from + atLeast * step && performance.now() >= endsAt) break;
    try {
      outcomes.push(simulate(seed, options));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // What a core itself finds impossible is a failing seed as well.
      const message =
        error instanceof InvariantViolation ? error.message : `seed ${seed}: ${error.stack ?? error.message}`;
      report({ outcomes, violation: { seed, message }, isLast: true });
      return;
    }
    if (outcomes.length < SEEDS_PER_REPORT) continue;
    report({ outcomes, violation: undefined, isLast: false });
    outcomes = [];
  }
  report({ outcomes, violation: undefined, isLast: true });
}

function report(message: SeedReport): void {
  process.send?.(message);
}
