import { type BenchmarkOptions, BenchmarkUsageError } from '../benchmark-options.ts';
import { allPairs, type SitePair } from './expected-paths.ts';
import { SITE_KINDS, type SiteKind } from './site-kinds.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';

/** What a run of the matrix covers. */
export interface MatrixOptions {
  readonly runs: number;
  readonly pairs: readonly SitePair[];
  readonly scenarios: readonly Scenario[];
  /** How long clients are idle in the scenarios that want it. */
  readonly idleSeconds: number;
}

const DEFAULT_RUNS = 10;
/** Longer than mappings live that nobody uses, and than two keepalives. */
const DEFAULT_IDLE_SECONDS = 45;

export const MATRIX_OPTIONS = ['runs', 'pairs', 'scenarios', 'idle-seconds'] as const;

export const MATRIX_USAGE =
  'options: --runs=N, --pairs=A:B,… (networks, or A:* for all pairs of one), --scenarios=NAME,… or none, --idle-seconds=N';

/** @throws BenchmarkUsageError */
export function parseMatrixOptions(given: BenchmarkOptions): MatrixOptions {
  const pairs = given.text('pairs');
  // whoever asks for some pairs does not want everything else as well
  const scenarios = given.text('scenarios') ?? (pairs === undefined ? undefined : 'none');
  return {
    runs: given.count('runs', DEFAULT_RUNS),
    pairs: pairs === undefined ? allPairs() : chosenPairs(pairs),
    scenarios: scenarios === undefined ? SCENARIOS : chosenScenarios(scenarios),
    idleSeconds: given.count('idle-seconds', DEFAULT_IDLE_SECONDS),
  };
}

function chosenPairs(text: string): readonly SitePair[] {
  if (text === 'none') return [];
  const wanted = text.split(',').map((pair) => pair.split(':'));
  for (const kind of wanted.flat()) {
    if (kind !== '*' && !SITE_KINDS.includes(kind as SiteKind))
      throw new BenchmarkUsageError(`no network ${kind}, only ${SITE_KINDS.join(', ')}`);
  }
  const matches = (kind: string | undefined, site: SiteKind): boolean => kind === '*' || kind === site;
  return allPairs().filter(({ a, b }) =>
    wanted.some(
      ([first, second]) =>
        (matches(first, a) && matches(second, b)) || (matches(first, b) && matches(second, a)),
    ),
  );
}

function chosenScenarios(text: string): readonly Scenario[] {
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    const scenario = SCENARIOS.find((candidate) => candidate.name === name);
    if (!scenario)
      throw new BenchmarkUsageError(
        `no scenario ${name}, only ${SCENARIOS.map((known) => known.name).join(', ')}`,
      );
    return scenario;
  });
}
