import { BenchmarkOptions, BenchmarkUsageError } from './benchmark-options.ts';

describe('BenchmarkOptions', () => {
  it('gives what was asked for, and else what is usual', () => {
    const given = BenchmarkOptions.parse(
      ['storm', '--json', '--clients=300'],
      ['clients', 'rounds', 'pairs'],
    );
    expect(given.count('clients', 2_000)).toBe(300);
    expect(given.count('rounds', 3)).toBe(3);
    expect(given.text('pairs')).toBeUndefined();
  });

  it.each(['--help', '--client=3', '--'])('refuses %s, which no benchmark has', (word) => {
    expect(() => BenchmarkOptions.parse([word], ['clients'])).toThrow(BenchmarkUsageError);
    expect(() => BenchmarkOptions.parse([word], [])).toThrow(BenchmarkUsageError);
  });

  it.each(['0', '-1', 'many', '1.5', ''])('refuses %p as a number of things', (text) => {
    const given = BenchmarkOptions.parse([`--clients=${text}`], ['clients']);
    expect(() => given.count('clients', 1)).toThrow(BenchmarkUsageError);
  });
});
