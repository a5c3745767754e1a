import type { Clock } from '../clock.port.ts';
import type { Scheduler } from '../scheduler.port.ts';

interface Pending {
  readonly at: number;
  readonly task: () => void;
}

/** Clock and scheduler that move only when a test says so. */
export class ManualTime implements Clock, Scheduler {
  private elapsed = 0;
  private readonly pending = new Set<Pending>();

  constructor(private readonly epoch = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.epoch + this.elapsed;
  }

  monotonic(): number {
    return this.elapsed;
  }

  after(milliseconds: number, task: () => void): () => void {
    const entry = { at: this.elapsed + milliseconds, task };
    this.pending.add(entry);
    return () => this.pending.delete(entry);
  }

  get pendingTimers(): number {
    return this.pending.size;
  }

  /** Runs what falls due within `milliseconds`, in order, letting promises settle after each. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.elapsed + milliseconds;
    for (;;) {
      const due = [...this.pending].filter((entry) => entry.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.pending.delete(due);
      this.elapsed = due.at;
      due.task();
      await settled();
    }
    this.elapsed = end;
    await settled();
  }
}

/** Lets every promise that is already resolvable run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
