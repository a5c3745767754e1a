import type { Benchmark, BenchmarkResult, Figure } from './figures.ts';
import type { Machine } from './machine.ts';

const number = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);

function figureLine(name: string, { value, unit, yardstick, ratio }: Figure): string {
  const comparison = yardstick ? `  (${yardstick.name}: ${number(yardstick.value)} ${unit})` : '';
  return `  ${name.padEnd(34)} ${number(value).padStart(12)} ${unit}${ratio === undefined ? '' : `  ×${number(ratio)}`}${comparison}`;
}

function table(rows: readonly Readonly<Record<string, string | number>>[]): string[] {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value: string | number | undefined): string =>
    typeof value === 'number' ? number(value) : (value ?? '');
  const widths = columns.map((column) =>
    Math.max(column.length, ...rows.map((row) => cell(row[column]).length)),
  );
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((text, at) => text.padEnd(widths[at] ?? 0)).join('  ')}`;
  return [line(columns), ...rows.map((row) => line(columns.map((column) => cell(row[column]))))];
}

/** What people read. */
export function renderReport(benchmark: Benchmark, machine: Machine, result: BenchmarkResult): string {
  return [
    `${benchmark.name}: ${benchmark.what}`,
    `  on ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}`,
    ...Object.entries(result.figures).map(([name, figure]) => figureLine(name, figure)),
    ...(result.rows ? table(result.rows) : []),
    ...(result.notes ?? []).map((note) => `  note: ${note}`),
    '',
  ].join('\n');
}

/** What programs read: one object on one line. */
export function renderJson(
  benchmark: Benchmark,
  machine: Machine,
  { figures, rows }: BenchmarkResult,
): string {
  return JSON.stringify({ name: benchmark.name, machine, figures, ...(rows && { rows }) });
}
