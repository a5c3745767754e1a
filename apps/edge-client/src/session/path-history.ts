import { performance } from 'node:perf_hooks';
import type { SessionPath, SessionRelays } from './datagram-path.ts';

/** A session that flaps for days remembers its latest changes only. */
const MAX_CHANGES = 64;

export interface PathChange {
  readonly path: SessionPath;
  /** Of a relayed path, where they are known. */
  readonly relays?: SessionRelays;
  /** `performance.now()` of this process at the change. */
  readonly at: number;
}

/** How a session travelled over time, also from one relay to another. Notices that change nothing are not part of it. */
export class PathHistory {
  private readonly recorded: PathChange[] = [];

  constructor(initial: SessionPath, relays?: SessionRelays) {
    this.note(initial, relays);
  }

  get changes(): readonly PathChange[] {
    return [...this.recorded];
  }

  note(path: SessionPath, relays?: SessionRelays): void {
    const last = this.recorded.at(-1);
    if (last?.path === path && last.relays?.own === relays?.own && last.relays?.peer === relays?.peer) return;
    this.recorded.push({ path, ...(relays === undefined ? {} : { relays }), at: performance.now() });
    if (this.recorded.length > MAX_CHANGES) this.recorded.shift();
  }
}
