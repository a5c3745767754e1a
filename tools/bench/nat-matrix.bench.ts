import { labAvailability, LabError } from '@parley/test/natlab';
import type { BenchmarkOptions } from './benchmark-options.ts';
import { BenchmarkUnavailableError, median, type Benchmark, type BenchmarkResult } from './figures.ts';
import type { ExpectedPath } from './nat-matrix/expected-paths.ts';
import { MatrixLab, type MatrixMachine } from './nat-matrix/matrix-lab.ts';
import {
  MATRIX_OPTIONS,
  MATRIX_USAGE,
  type MatrixOptions,
  parseMatrixOptions,
} from './nat-matrix/matrix-options.ts';
import { type MatrixRun, runOnce } from './nat-matrix/matrix-run.ts';
import type { Scenario } from './nat-matrix/scenarios.ts';

/** Two machines, what is done with them, and what is expected. */
interface Case {
  readonly a: string;
  readonly b: string;
  readonly expected: ExpectedPath;
  readonly machines: readonly [MatrixMachine, MatrixMachine];
  readonly runs: number;
  readonly churnPerSecond: number;
  readonly idleMs: number;
}

type Row = Readonly<Record<string, string | number>>;

function casesOf({ pairs, scenarios, runs, idleSeconds }: MatrixOptions): readonly Case[] {
  const plain = pairs.map(({ a, b, expected }): Case => {
    const machines = [
      { kind: a, number: 1, machine: 1 },
      { kind: b, number: 2, machine: 1 },
    ] as const;
    return { a, b, expected, machines, runs, churnPerSecond: 0, idleMs: 0 };
  });
  return [...plain, ...scenarios.map((scenario) => caseOf(scenario, runs, idleSeconds))];
}

function caseOf(scenario: Scenario, runs: number, idleSeconds: number): Case {
  const { name, a, b, expected, isSameSite = false, churnPerSecond = 0 } = scenario;
  const [first, second] = name.split(':');
  return {
    a: first ?? name,
    b: isSameSite ? 'same network' : (second ?? b),
    expected,
    machines: [
      { kind: a, number: 1, machine: 1 },
      isSameSite ? { kind: b, number: 1, machine: 2 } : { kind: b, number: 2, machine: 1 },
    ],
    runs: Math.min(runs, scenario.runs ?? runs),
    churnPerSecond,
    idleMs: scenario.isIdleBefore === true ? idleSeconds * 1_000 : 0,
  };
}

async function measureCase(lab: MatrixLab, one: Case): Promise<{ row: Row; isExpected: boolean }> {
  const [first, second] = one.machines;
  const clients = await lab.acquaint(first, second);
  const churn = one.churnPerSecond > 0 ? lab.openMappings(first, one.churnPerSecond) : undefined;
  const runs: MatrixRun[] = [];
  while (runs.length < one.runs) {
    await lab.forgetMappings(one.machines);
    // each side calls in turn
    const [caller, callee] = runs.length % 2 === 0 ? clients : ([clients[1], clients[0]] as const);
    runs.push(await runOnce(lab, { caller, callee, expected: one.expected.path, idleMs: one.idleMs }));
  }
  await churn?.stop();
  return summarised(one, runs);
}

function summarised(one: Case, runs: readonly MatrixRun[]): { row: Row; isExpected: boolean } {
  const { a, b, expected } = one;
  const connected = runs.filter(({ isConnected }) => isConnected);
  const direct = connected.filter(({ isDirect }) => isDirect).length;
  const times = connected.map(({ ms }) => ms);
  const openTimes = connected.map(({ openMs }) => openMs);
  const problem = runs.find((run) => run.problem !== undefined)?.problem;
  const row = {
    a,
    b,
    expected: expected.path,
    runs: runs.length,
    connected: connected.length,
    direct,
    medianMs: times.length > 0 ? median(times) : -1,
    worstMs: times.length > 0 ? Math.max(...times) : -1,
    openMs: openTimes.length > 0 ? median(openTimes) : -1,
    probes: median(runs.map(({ probes }) => probes)),
    by: expected.path === 'relay' ? expected.reason : expected.by,
    ...(problem === undefined ? {} : { problem }),
  };
  const wanted = expected.path === 'direct' ? runs.length : 0;
  return { row, isExpected: connected.length === runs.length && direct === wanted };
}

async function run(given: BenchmarkOptions): Promise<BenchmarkResult> {
  const cases = casesOf(parseMatrixOptions(given));
  const availability = labAvailability();
  if (availability.kind === 'unavailable') throw new BenchmarkUnavailableError(availability.reason);
  const lab = await createLab(cases.flatMap(({ machines }) => machines));
  try {
    const rows: Row[] = [];
    const failures: string[] = [];
    for (const one of cases) {
      const { row, isExpected } = await measureCase(lab, one);
      rows.push(row);
      const outcome = `${one.a} × ${one.b}: ${row['direct'] ?? 0} of ${one.runs} direct, ${row['connected'] ?? 0} connected`;
      process.stderr.write(`${outcome}, ${isExpected ? 'as' : 'NOT as'} expected (${one.expected.path})\n`);
      if (!isExpected) failures.push(`${outcome}; expected is ${one.expected.path}`);
    }
    return resultOf(rows, failures);
  } finally {
    await lab.close();
  }
}

async function createLab(machines: readonly MatrixMachine[]): Promise<MatrixLab> {
  try {
    return await MatrixLab.create(machines);
  } catch (thrown) {
    if (thrown instanceof LabError && thrown.code === 'LAB_UNAVAILABLE')
      throw new BenchmarkUnavailableError(thrown.message);
    throw thrown;
  }
}

function resultOf(rows: readonly Row[], failures: readonly string[]): BenchmarkResult {
  const sum = (name: string): number => rows.reduce((total, row) => total + Number(row[name]), 0);
  return {
    figures: {
      runs: { value: sum('runs'), unit: 'sessions' },
      connected: { value: sum('connected'), unit: 'sessions' },
      direct: { value: sum('direct'), unit: 'sessions' },
      pairs: { value: rows.length, unit: 'rows' },
      pairsAsExpected: { value: rows.length - failures.length, unit: 'rows' },
    },
    rows,
    failures,
    notes: [
      'each run is a session between sockets that no NAT has seen before, over links without a delay; the sides call in turn',
      'direct: of 256 KiB that went over the session, next to nothing passed the interface of the supernode, as the kernel counted',
      'ms of a direct run: from the call of openSession to the direct path on both sides; of a relayed one: to the first byte at the other side',
      'openMs: until openSession resolved, which is after the answer; median',
      'probes: connectivity checks of both sides, those to predicted and guessed ports too; median',
      MATRIX_USAGE,
    ],
  };
}

export const natMatrix: Benchmark = {
  name: 'nat-matrix',
  what: 'which pairs of networks connect directly, how soon and with how many probes',
  options: MATRIX_OPTIONS,
  run,
};
