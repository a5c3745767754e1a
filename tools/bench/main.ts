import { BenchmarkOptions, BenchmarkUsageError } from './benchmark-options.ts';
import { calls } from './calls.bench.ts';
import { connections } from './connections.bench.ts';
import { directory } from './directory.bench.ts';
import { BenchmarkUnavailableError, type Benchmark, type BenchmarkResult } from './figures.ts';
import { describeMachine } from './machine.ts';
import { messages } from './messages.bench.ts';
import { natMatrix } from './nat-matrix.bench.ts';
import { presence } from './presence.bench.ts';
import { relay } from './relay.bench.ts';
import { pathSwitch } from './path-switch.bench.ts';
import { renderJson, renderReport } from './report.ts';
import { session } from './session.bench.ts';
import { setup } from './setup.bench.ts';
import { storm } from './storm.bench.ts';
import { stunCodec } from './stun-codec.bench.ts';

const BENCHMARKS: readonly Benchmark[] = [
  stunCodec,
  session,
  setup,
  messages,
  calls,
  natMatrix,
  relay,
  pathSwitch,
  storm,
  presence,
  connections,
  directory,
];

/**
 * `npm run bench -- NAME [--json]`: the table on standard error with `--json`, else on standard output. Exit code 1: a
 * result is not as it must be; 2: there is no such benchmark or option, or not on this machine.
 */
async function main(words: readonly string[]): Promise<number> {
  const isJson = words.includes('--json');
  const [name] = words.filter((word) => !word.startsWith('--'));
  const benchmark = BENCHMARKS.find((candidate) => candidate.name === name);
  if (!benchmark) {
    const list = BENCHMARKS.map((candidate) => `  ${candidate.name.padEnd(14)} ${candidate.what}`).join('\n');
    process.stderr.write(`usage: npm run bench -- NAME [--json]\n${list}\n`);
    return 2;
  }
  const result = await runIfPossible(benchmark, words);
  if (!result) return 2;
  const machine = describeMachine();
  (isJson ? process.stderr : process.stdout).write(renderReport(benchmark, machine, result));
  if (isJson) process.stdout.write(`${renderJson(benchmark, machine, result)}\n`);
  for (const failure of result.failures ?? []) process.stderr.write(`not as it must be: ${failure}\n`);
  return (result.failures ?? []).length > 0 ? 1 : 0;
}

async function runIfPossible(
  benchmark: Benchmark,
  words: readonly string[],
): Promise<BenchmarkResult | undefined> {
  try {
    return await benchmark.run(BenchmarkOptions.parse(words, benchmark.options ?? []));
  } catch (thrown) {
    if (thrown instanceof BenchmarkUsageError) {
      process.stderr.write(`${benchmark.name}: ${thrown.message}\n`);
      return undefined;
    }
    if (!(thrown instanceof BenchmarkUnavailableError)) throw thrown;
    process.stderr.write(`${benchmark.name} cannot be measured on this machine: ${thrown.message}\n`);
    return undefined;
  }
}

process.exitCode = await main(process.argv.slice(2));
