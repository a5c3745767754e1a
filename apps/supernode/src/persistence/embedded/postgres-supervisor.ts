import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { stopServer } from './postmaster.ts';

/** Pauses before each attempt to start a server again; left-over children of the old one may need a moment to end. */
const RESTART_PAUSES_MS = [100, 300, 1_000, 3_000, 10_000];

export type InterruptionOutcome = 'restarted' | 'lost';

/**
 * Keeps the server running: one that ends without having been asked to (killed for want of memory, say) is started
 * again and recovers from its log. Connections open themselves again, because address and passwords stay the same.
 */
export class PostgresSupervisor {
  private readonly listeners: ((outcome: InterruptionOutcome) => void)[] = [];
  private readonly cancelled = new AbortController();
  private child: ChildProcess;
  private restarting: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;

  constructor(
    child: ChildProcess,
    private readonly launch: () => Promise<ChildProcess>,
    private readonly pausesMs: readonly number[] = RESTART_PAUSES_MS,
  ) {
    this.child = child;
    process.once('exit', this.stopWithProcess);
    this.watch(child);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  onInterruption(listener: (outcome: InterruptionOutcome) => void): void {
    this.listeners.push(listener);
  }

  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }

  private async end(): Promise<void> {
    this.cancelled.abort();
    await this.restarting;
    if (!hasExited(this.child)) await stopServer(this.pid, () => hasExited(this.child));
    process.off('exit', this.stopWithProcess);
  }

  private watch(child: ChildProcess): void {
    this.child = child;
    // The server must not keep a process alive that has nothing else to do.
    child.unref();
    const onExit = (): void => {
      if (this.stopping === undefined) this.restarting = this.restart();
    };
    if (hasExited(child)) onExit();
    else child.once('exit', onExit);
  }

  private async restart(): Promise<void> {
    for (const pauseMs of this.pausesMs) {
      try {
        await delay(pauseMs, undefined, { signal: this.cancelled.signal });
        this.watch(await this.launch());
        this.report('restarted');
        return;
      } catch {
        // The next attempt, or the report of the loss below; the server's own words are in its log.
        if (this.cancelled.signal.aborted) return;
      }
    }
    this.report('lost');
  }

  private report(outcome: InterruptionOutcome): void {
    for (const listener of this.listeners) listener(outcome);
  }

  /** Last resort of a process that ends without stop(). */
  private readonly stopWithProcess = (): void => {
    this.child.kill('SIGINT');
  };
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
