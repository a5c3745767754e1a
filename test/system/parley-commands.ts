import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const PARLEY = join(
  dirname(createRequire(import.meta.url).resolve('@parley/edge-client/package.json')),
  'dist/cli/main.js',
);

/** How a command ended. */
export interface Outcome {
  readonly code: number | null;
  /** The last line of standard output. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly stdout: string;
}

/** A command that runs. */
export interface RunningCommand {
  readonly done: Promise<Outcome>;
  /** Resolves with the first log line that contains a text; rejects when the command ends without one. */
  until(text: string): Promise<string>;
  /** As Ctrl-C does. */
  interrupt(): void;
}

export interface ParleyCommandsOptions {
  readonly url: string;
  /** Each user has an identity folder in it. */
  readonly folder: string;
  /** Starts the process of a user, for one that runs elsewhere than on loopback. */
  readonly spawn?: (
    who: string,
    command: string,
    args: readonly string[],
    options: SpawnOptions,
  ) => ChildProcess;
}

/** The command line as several users use it, each command in a process of its own. */
export class ParleyCommands {
  readonly #options: ParleyCommandsOptions;
  readonly #running = new Set<ChildProcess>();

  constructor(options: ParleyCommandsOptions) {
    this.#options = options;
  }

  start(who: string, ...args: readonly string[]): RunningCommand {
    const child = this.#spawn(who, [
      PARLEY,
      ...['--url', this.#options.url, '--data', join(this.#options.folder, who), '--json'],
      ...args,
    ]);
    const { stdout, stderr } = child;
    if (!stdout || !stderr) throw new TypeError('The process has no pipes.');
    this.#running.add(child);
    const log: string[] = [];
    const waiting = new Set<() => void>();
    const changed = (): void => waiting.forEach((look) => look());
    createInterface(stderr).on('line', (line) => {
      log.push(line);
      changed();
    });
    let output = '';
    stdout.setEncoding('utf8').on('data', (part: string) => (output += part));
    let hasEnded = false;
    const done = once(child, 'close').then(([code]: unknown[]): Outcome => {
      this.#running.delete(child);
      hasEnded = true;
      changed();
      const last = output.trimEnd().split('\n').at(-1) ?? '';
      return {
        code: code as number | null,
        json: JSON.parse(last || '{}') as Outcome['json'],
        stdout: output,
      };
    });
    const until = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const line = log.find((one) => one.includes(text));
          if (line === undefined && !hasEnded) return;
          waiting.delete(look);
          if (line !== undefined) resolve(line);
          else reject(new Error([`${args.join(' ')} never said: ${text}`, ...log].join('\n')));
        };
        waiting.add(look);
        look();
      });
    return { done, until, interrupt: () => void child.kill('SIGINT') };
  }

  run(who: string, ...args: readonly string[]): Promise<Outcome> {
    return this.start(who, ...args).done;
  }

  /** Ends what still runs, as after a test that failed half-way: a process that is left keeps the test runner from its end. */
  async stop(): Promise<void> {
    const ended = [...this.#running].map(async (child) => {
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    });
    await Promise.all(ended);
  }

  #spawn(who: string, args: readonly string[]): ChildProcess {
    const options: SpawnOptions = { stdio: ['ignore', 'pipe', 'pipe'] };
    const { spawn: elsewhere } = this.#options;
    if (elsewhere) return elsewhere(who, process.execPath, args, options);
    const [program = '', ...rest] = args;
    return spawn(process.execPath, [program, '--loopback', ...rest], options);
  }
}
