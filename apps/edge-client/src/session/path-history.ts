import { performance } from 'node:perf_hooks';
import type { SessionPath } from './datagram-path.ts';

/** A session that flaps for days remembers its latest changes only. */
const MAX_CHANGES = 64;

export interface PathChange {
  readonly path: SessionPath;
  /** `performance.now()` of this process at the change. */
  readonly at: number;
}

/** How a session travelled over time. Notices that change nothing are not part of it. */
export class PathHistory {
  private readonly recorded: PathChange[];

  constructor(initial: SessionPath) {
    this.recorded = [{ path: initial, at: performance.now() }];
  }

  get changes(): readonly PathChange[] {
    return [...this.recorded];
  }

  note(path: SessionPath): void {
    if (this.recorded.at(-1)?.path === path) return;
    this.recorded.push({ path, at: performance.now() });
    if (this.recorded.length > MAX_CHANGES) this.recorded.shift();
  }
}
