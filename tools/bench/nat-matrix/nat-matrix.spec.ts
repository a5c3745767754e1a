import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { labAvailability } from '@parley/test/natlab';
import { BenchmarkOptions, BenchmarkUsageError } from '../benchmark-options.ts';
import { MATRIX_OPTIONS, parseMatrixOptions } from './matrix-options.ts';

const ENTRY = fileURLToPath(new URL('../../dist/bench/main.js', import.meta.url));
const DEADLINE_MS = 300_000;
const availability = labAvailability();

interface MatrixResult {
  readonly name: string;
  readonly rows: readonly Readonly<Record<string, string | number>>[];
}

/** Runs the built benchmark as a user does. */
function runMatrix(...options: string[]): Promise<{ code: number; result: MatrixResult; story: string }> {
  return new Promise((resolve, reject) => {
    const words = [ENTRY, 'nat-matrix', '--json', ...options];
    execFile(process.execPath, words, { timeout: DEADLINE_MS }, (error, stdout, stderr) => {
      const last = stdout.trimEnd().split('\n').at(-1) ?? '';
      if (last === '') reject(new Error(`no result; ${stderr}`));
      else
        resolve({
          code: error ? Number(error.code) : 0,
          result: JSON.parse(last) as MatrixResult,
          story: stderr,
        });
    });
  });
}

const parsed = (...words: string[]) => parseMatrixOptions(BenchmarkOptions.parse(words, MATRIX_OPTIONS));

describe('npm run bench -- nat-matrix', () => {
  it(
    `finds what the table says, for a few pairs (${availability.kind})`,
    async () => {
      if (availability.kind === 'unavailable') {
        await expect(runMatrix('--runs=1', '--pairs=none:none')).rejects.toThrow(availability.reason);
        return;
      }
      const pairs = 'none:ei-apd,ei-apd:ei-apd,cgn-hairpin:cgn-hairpin,cgn:cgn,apd-random:apd-random';

      const { code, result, story } = await runMatrix('--runs=1', `--pairs=${pairs}`);

      const outcomes = result.rows.map(({ a, b, expected, connected, direct, problem = '' }) => ({
        pair: `${a} ${b}`,
        expected,
        connected,
        direct,
        problem,
      }));
      expect(outcomes).toEqual([
        { pair: 'none ei-apd', expected: 'direct', connected: 1, direct: 1, problem: '' },
        { pair: 'ei-apd ei-apd', expected: 'direct', connected: 1, direct: 1, problem: '' },
        { pair: 'cgn-hairpin cgn-hairpin', expected: 'direct', connected: 1, direct: 1, problem: '' },
        { pair: 'cgn cgn', expected: 'relay', connected: 1, direct: 0, problem: '' },
        { pair: 'apd-random apd-random', expected: 'relay', connected: 1, direct: 0, problem: '' },
      ]);
      expect({ code, story: code === 0 ? '' : story }).toEqual({ code: 0, story: '' });
      for (const row of result.rows) {
        expect(row['medianMs']).toBeGreaterThan(0);
        expect(row['worstMs']).toBeGreaterThanOrEqual(Number(row['medianMs']));
        expect(row['probes']).toBeGreaterThan(0);
      }
    },
    DEADLINE_MS,
  );
});

describe('the options of nat-matrix', () => {
  it('choose pairs in either order, all pairs of one network, and scenarios', () => {
    const some = parsed('--pairs=seq-1:none,cgn:*', '--runs=3', '--json');

    expect(some.runs).toBe(3);
    expect(some.scenarios).toEqual([]);
    expect(some.pairs.filter(({ a, b }) => a === 'none' && b === 'seq-1')).toHaveLength(1);
    expect(some.pairs).toHaveLength(14);
    expect(parsed().pairs).toHaveLength(91);
    expect(parsed('--pairs=none', '--scenarios=same-nat:ei-apd').scenarios).toMatchObject([
      { isSameSite: true },
    ]);
  });

  it.each([['--pairs=moon:none'], ['--runs=0'], ['--runs=many'], ['--scenarios=sunshine'], ['--speed=9']])(
    'refuse %s',
    (word) => {
      expect(() => parsed(word)).toThrow(BenchmarkUsageError);
    },
  );
});
