import type { CandidatePair } from './candidate-pair.ts';

/** RFC 8445 section 6.1.4.1: first in, first out; a pair waits in it at most once, so it is bounded by the checklist. */
export class TriggeredCheckQueue {
  readonly #pairs = new Set<CandidatePair>();

  get isEmpty(): boolean {
    return this.#pairs.size === 0;
  }

  add(pair: CandidatePair): void {
    this.#pairs.add(pair);
  }

  remove(pair: CandidatePair): void {
    this.#pairs.delete(pair);
  }

  /** Takes the oldest pair out. */
  take(): CandidatePair | undefined {
    for (const pair of this.#pairs) {
      this.#pairs.delete(pair);
      return pair;
    }
    return undefined;
  }

  clear(): void {
    this.#pairs.clear();
  }
}
