/** The command line asks for something that a benchmark does not have; the message says what it has. */
export class BenchmarkUsageError extends Error {
  override readonly name = 'BenchmarkUsageError';
}

/** What the command line gives a benchmark beside its name: `--name=value`. */
export class BenchmarkOptions {
  private constructor(
    private readonly known: readonly string[],
    private readonly given: ReadonlyMap<string, string>,
  ) {}

  /**
   * @param known - the options that the benchmark has
   * @throws BenchmarkUsageError for another one
   */
  static parse(words: readonly string[], known: readonly string[]): BenchmarkOptions {
    const given = new Map(
      words
        .filter((word) => word.startsWith('--') && word !== '--json')
        .map((word): [string, string] => {
          const [name = '', value = ''] = word.slice(2).split('=');
          return [name, value];
        }),
    );
    const options = new BenchmarkOptions(known, given);
    for (const name of given.keys()) {
      if (!known.includes(name)) throw options.misused(`there is no option --${name}`);
    }
    return options;
  }

  text(name: string): string | undefined {
    return this.given.get(name);
  }

  /** A number of things, at least one. */
  count(name: string, otherwise: number): number {
    const text = this.given.get(name);
    const value = text === undefined ? otherwise : Number(text);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw this.misused(`--${name}=${text ?? ''} is no number of this kind`);
  }

  /** To throw where what is asked for makes no sense together. */
  misused(what: string): BenchmarkUsageError {
    const has = this.known.map((name) => `--${name}=`).join(', ');
    return new BenchmarkUsageError(`${what}; options: ${has || 'none'}`);
  }
}
