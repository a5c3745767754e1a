import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { LabError } from './errors.ts';
import type { NamespaceHolder } from './namespace-holder.ts';
import { type ProgramName, programPath } from './program-path.ts';

export interface DeviceProgramOptions {
  readonly program: Extract<ProgramName, 'link-process' | 'nat-process'>;
  /** Where it runs; the internet itself where there is none. */
  readonly host?: string;
  readonly device: string;
  /** Plain JSON. */
  readonly options: unknown;
}

/** A running program through whose device packets go; commands reach it over its standard input. */
export class DeviceProgram {
  readonly #child: ChildProcess;
  readonly #lines: Interface | undefined;
  readonly #ended: Promise<unknown>;
  #complaint = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, 'close');
    this.#lines = child.stdout ? createInterface({ input: child.stdout }) : undefined;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#complaint += text));
  }

  /** @throws LabError `LAB_SETUP_FAILED` */
  static async start(holder: NamespaceHolder, wanted: DeviceProgramOptions): Promise<DeviceProgram> {
    const { program, host, device, options } = wanted;
    const args = [programPath(program), device, JSON.stringify(options)];
    const piped: SpawnOptions = { stdio: ['pipe', 'pipe', 'pipe'] };
    const child =
      host === undefined
        ? holder.spawnInInternet(process.execPath, args, piped)
        : holder.spawn(host, process.execPath, args, piped);
    const started = new DeviceProgram(child);
    await started.#answer('LAB_SETUP_FAILED');
    return started;
  }

  /** Resolves when the program has done it. @throws LabError `LAB_COMMAND_FAILED` */
  async command(command: unknown): Promise<void> {
    const done = this.#answer('LAB_COMMAND_FAILED');
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    await done;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** One line per command; the first says that the program is ready. */
  async #answer(code: 'LAB_SETUP_FAILED' | 'LAB_COMMAND_FAILED'): Promise<void> {
    const answered = this.#lines ? once(this.#lines, 'line').then(() => true) : false;
    if (await Promise.race([answered, this.#ended.then(() => false)])) return;
    throw new LabError(code, `the program of a device ended: ${this.#complaint.trim()}`);
  }
}
