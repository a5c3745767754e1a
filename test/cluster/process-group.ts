import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Also when this module is a compiled one. */
const GUARDIAN = fileURLToPath(
  new URL(`${import.meta.url.endsWith('.ts') ? '.' : '../../cluster'}/guardian.mjs`, import.meta.url),
);

/**
 * Processes and a folder that end together with the program that made them. Each process is in a group of its own, so
 * that Ctrl-C in a terminal reaches the program only; a guardian process sees the end of the program, even by SIGKILL.
 */
export class ProcessGroup {
  readonly #guardian: ChildProcess;
  readonly #children = new Set<ChildProcess>();

  private constructor(
    /** For data and logs. */
    readonly folder: string,
    guardian: ChildProcess,
  ) {
    this.#guardian = guardian;
  }

  static async open(): Promise<ProcessGroup> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-cluster-'));
    const guardian = spawn(process.execPath, [GUARDIAN], {
      stdio: ['pipe', 'ignore', 'inherit'],
      detached: true,
    });
    await once(guardian, 'spawn');
    // The program may end while the guardian lives: that is what it is for.
    guardian.unref();
    const group = new ProcessGroup(folder, guardian);
    group.#tell(`folder ${folder}`);
    return group;
  }

  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    const child = spawn(command, [...args], { ...options, detached: true });
    const { pid } = child;
    if (pid === undefined) return child; // the `error` event says why
    this.#children.add(child);
    this.#tell(`process ${pid}`);
    child.once('exit', () => {
      this.#children.delete(child);
      this.#tell(`ended ${pid}`);
    });
    return child;
  }

  /** Ends what still runs, and deletes the folder. */
  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => endProcess(child, 'SIGKILL')));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    this.#guardian.ref();
    const ended = once(this.#guardian, 'exit');
    this.#guardian.stdin?.end();
    await ended;
  }

  #tell(line: string): void {
    this.#guardian.stdin?.write(`${line}\n`);
  }
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Resolves with the exit code when the process is gone. */
export async function endProcess(
  child: ChildProcess,
  signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL',
): Promise<number | null> {
  if (!hasEnded(child)) {
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
  return child.exitCode;
}
