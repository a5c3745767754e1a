/** A clock that moves only when a test moves it, and runs what was scheduled in the order of time, then of scheduling. */
import { NatError } from '../errors.ts';
import { after, instant, type Instant } from '../time/instant.ts';

interface Task {
  readonly at: Instant;
  readonly order: number;
  readonly run: (now: Instant) => void;
  isCancelled: boolean;
}

/** The one timer that a driver keeps armed for a core's `nextTimeoutAt()`. */
export interface VirtualTimer {
  /** Replaces what was armed before; `undefined` disarms. An instant in the past fires at the next step of the clock. */
  armAt(at: Instant | undefined): void;
}

export class VirtualClock {
  private current: Instant;
  private readonly heap: Task[] = [];
  private scheduled = 0;

  constructor(startMs = 0) {
    this.current = instant(startMs);
  }

  get now(): Instant {
    return this.current;
  }

  /** Runs `task` once, `delayMs` from now, never before the current step is over. Returns how to cancel it. */
  schedule(delayMs: number, task: (now: Instant) => void): () => void {
    return this.scheduleAt(after(this.current, Math.max(0, delayMs)), task);
  }

  timer(onTimeout: (now: Instant) => void): VirtualTimer {
    let cancel: (() => void) | undefined;
    return {
      armAt: (at) => {
        cancel?.();
        cancel = at === undefined ? undefined : this.scheduleAt(at, onTimeout);
      },
    };
  }

  /** Moves time by `ms` and runs everything that falls due on the way, including what that schedules. */
  advance(ms: number): void {
    const end = after(this.current, ms);
    for (let task = this.nextTask(); task !== undefined && task.at <= end; task = this.nextTask())
      this.step();
    this.current = end;
  }

  /** Moves time step by step until `isDone` or until `limitMs` have passed; returns whether it was done. */
  advanceUntil(isDone: () => boolean, limitMs: number): boolean {
    const end = after(this.current, limitMs);
    while (!isDone()) {
      const task = this.nextTask();
      if (task === undefined || task.at > end) {
        this.current = end;
        return isDone();
      }
      this.step();
    }
    return true;
  }

  /** When the next scheduled task is due. */
  nextTaskAt(): Instant | undefined {
    return this.nextTask()?.at;
  }

  private scheduleAt(at: Instant, run: (now: Instant) => void): () => void {
    const task: Task = {
      at: at < this.current ? this.current : at,
      order: this.scheduled,
      run,
      isCancelled: false,
    };
    this.scheduled += 1;
    this.push(task);
    return () => {
      task.isCancelled = true;
    };
  }

  private step(): void {
    const task = this.pop();
    if (task === undefined) throw new NatError('NAT_INVARIANT', 'The clock has no task to run.');
    this.current = task.at;
    task.run(task.at);
  }

  private nextTask(): Task | undefined {
    while (this.heap[0]?.isCancelled === true) this.pop();
    return this.heap[0];
  }

  private push(task: Task): void {
    const heap = this.heap;
    let index = heap.push(task) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent] as Task, task)) break;
      heap[index] = heap[parent] as Task;
      index = parent;
    }
    heap[index] = task;
  }

  private pop(): Task | undefined {
    const heap = this.heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Task, heap[child] as Task)) child += 1;
      if (isBefore(last, heap[child] as Task)) break;
      heap[index] = heap[child] as Task;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
