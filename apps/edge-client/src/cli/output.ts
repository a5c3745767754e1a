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
    process.stderr.write(`${text}\n`);
  }

  /** Replaces the progress shown before; on a terminal only, a log would be flooded by it. */
  progress(text: string): void {
    if (!process.stderr.isTTY) return;
    this.#hasProgress = true;
    process.stderr.write(`\r\u001b[K${text}`);
  }

  /** What the command found or did: once, at its end. */
  result(value: object, text: string): void {
    this.#endProgress();
    process.stdout.write(`${this.#isJson ? JSON.stringify({ ok: true, ...value }) : text}\n`);
  }

  failure(code: string, message: string): void {
    this.#endProgress();
    process.stderr.write(`parley: ${message} (${code})\n`);
    if (this.#isJson) process.stdout.write(`${JSON.stringify({ ok: false, error: { code, message } })}\n`);
  }

  #endProgress(): void {
    if (this.#hasProgress) process.stderr.write('\n');
    this.#hasProgress = false;
  }
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
