/** One-shot timers behind a port, so that tests move time by hand. */
export interface Scheduler {
  /** Runs `task` once after `milliseconds`; the returned function cancels it. */
  after(milliseconds: number, task: () => void): () => void;
}

export const SCHEDULER = Symbol('Scheduler');
