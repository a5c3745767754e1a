/** Tells a person what happens. Standard error with `--json`, since standard output then belongs to the result. */
export class Narrator {
  readonly #write: (text: string) => void;
  readonly #began = performance.now();

  constructor(isJson: boolean) {
    const stream = isJson ? process.stderr : process.stdout;
    this.#write = (text) => void stream.write(`${text}\n`);
  }

  title(text: string): void {
    this.#write(`\n== ${text}`);
  }

  say(text: string): void {
    const seconds = ((performance.now() - this.#began) / 1000).toFixed(1).padStart(5);
    this.#write(`${seconds}s  ${text}`);
  }

  check(holds: boolean, text: string): boolean {
    this.say(`${holds ? 'ok  ' : 'FAIL'} ${text}`);
    return holds;
  }
}
