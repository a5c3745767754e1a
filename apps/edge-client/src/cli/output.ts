/** What moves a cursor, changes colours or turns the direction of writing: line ends aside, that is ours to do. */
// eslint-disable-next-line no-control-regex -- control characters are exactly what is replaced
const CONTROLS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** A text that others had a hand in, such as a status or a name, without power over the terminal. */
export function printable(text: string): string {
  return text.replace(CONTROLS, '\ufffd');
}

/** Results go to standard output, everything else to standard error; with `--json` the result is one JSON object. */
export class Output {
  readonly #isJson: boolean;
  #hasProgress = false;

  constructor(isJson: boolean) {
    this.#isJson = isJson;
  }

  /** Something that happened on the way. */
  note(text: string): void {
    this.#endProgress();
    process.stderr.write(`${oneLine(text)}\n`);
  }

  /** Replaces the progress shown before; on a terminal only, a log would be flooded by it. */
  progress(text: string): void {
    if (!process.stderr.isTTY) return;
    this.#hasProgress = true;
    process.stderr.write(`\r\u001b[K${oneLine(text)}`);
  }

  /** What the command found or did: once, at its end. */
  result(value: object, text: string): void {
    this.#endProgress();
    process.stdout.write(`${this.#isJson ? JSON.stringify({ ok: true, ...value }) : printable(text)}\n`);
  }

  failure(code: string, message: string): void {
    this.#endProgress();
    process.stderr.write(`parley: ${oneLine(message)} (${code})\n`);
    if (this.#isJson) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`);
  }

  #endProgress(): void {
    if (this.#hasProgress) process.stderr.write('\n');
    this.#hasProgress = false;
  }
}

/** Nobody adds lines that look like ours. */
function oneLine(text: string): string {
  return printable(text).replaceAll('\n', '\ufffd');
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `12.3 MB`, in powers of 1000. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? String(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** Progress of a transfer in one line. */
export function formatProgress(name: string, bytes: number, size: number): string {
  const percent = size === 0 ? 100 : Math.floor((bytes / size) * 100);
  return `${name}: ${formatBytes(bytes)} of ${formatBytes(size)} (${String(percent)}%)`;
}
