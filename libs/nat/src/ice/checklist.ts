import type { TransportAddress } from '../net/transport-address.ts';
import type { CandidateBase, IceCandidate, LocalCandidate } from './candidate.ts';
import { CandidatePair, candidatePairKey } from './candidate-pair.ts';
import type { IceRole } from './ice-role.ts';

/**
 * The pairs of the only data stream with its only component (RFC 8445 section 6.1.2), kept in the order of priority. Pairs
 * are named by base and remote address, so candidates that share a base are pruned to one pair and nothing is probed twice.
 */
export class Checklist {
  readonly #byKey = new Map<string, CandidatePair>();
  readonly #maxPairs: number;
  #ordered: CandidatePair[] = [];

  constructor(maxPairs: number) {
    this.#maxPairs = maxPairs;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Highest priority first. */
  get pairs(): readonly CandidatePair[] {
    return this.#ordered;
  }

  find(base: CandidateBase, remote: TransportAddress): CandidatePair | undefined {
    return this.#byKey.get(candidatePairKey(base, remote));
  }

  /** False for a pair of a generation before a restart. */
  has(pair: CandidatePair): boolean {
    return this.#byKey.get(pair.key) === pair;
  }

  /**
   * Adds a pair unless it exists; a new one is frozen while a pair of its foundation is on its way (RFC 8838 section 12).
   * `undefined` where the list is full of better pairs; a pair that had to give way is in `pruned`.
   */
  add(
    local: LocalCandidate,
    remote: IceCandidate,
    role: IceRole,
  ): { pair: CandidatePair; isNew: boolean; pruned?: CandidatePair } | undefined {
    const existing = this.find(local.base, remote.address);
    if (existing !== undefined) return { pair: existing, isNew: false };
    const pair = new CandidatePair(
      local,
      remote,
      role,
      this.#isFoundationPending(`${local.foundation}:${remote.foundation}`) ? 'frozen' : 'waiting',
    );
    let pruned: CandidatePair | undefined;
    if (this.#byKey.size >= this.#maxPairs) {
      pruned = this.#leastUseful(pair);
      if (pruned === undefined) return undefined;
      this.remove(pruned);
    }
    this.#byKey.set(pair.key, pair);
    this.#ordered.push(pair);
    this.sort();
    return pruned === undefined ? { pair, isNew: true } : { pair, isNew: true, pruned };
  }

  remove(pair: CandidatePair): void {
    this.#byKey.delete(pair.key);
    this.#ordered = this.#ordered.filter((other) => other !== pair);
  }

  clear(): void {
    this.#byKey.clear();
    this.#ordered = [];
  }

  /** After priorities changed. */
  sort(): void {
    this.#ordered.sort((a, b) => (a.priority === b.priority ? 0 : a.priority < b.priority ? 1 : -1));
  }

  /** RFC 8445 section 7.2.5.3.3: a success thaws the pairs that are alike. */
  unfreezeFoundation(foundation: string): void {
    for (const pair of this.#ordered) {
      if (pair.state === 'frozen' && pair.foundation === foundation) pair.transition('waiting', 'unfrozen');
    }
  }

  /** RFC 8445 section 6.1.4.2: the best waiting pair, else the best frozen one whose foundation is idle. */
  nextOrdinary(): CandidatePair | undefined {
    const waiting = this.#ordered.find((pair) => pair.state === 'waiting');
    if (waiting !== undefined) return waiting;
    const frozen = this.#ordered.find(
      (pair) => pair.state === 'frozen' && !this.#isFoundationActive(pair.foundation),
    );
    frozen?.transition('waiting', 'unfrozen');
    return frozen;
  }

  hasOrdinary(): boolean {
    return this.#ordered.some(
      (pair) =>
        pair.state === 'waiting' || (pair.state === 'frozen' && !this.#isFoundationActive(pair.foundation)),
    );
  }

  /** Checks that are under way or will be: N of RFC 8445 section 14.3. */
  countPending(): number {
    let count = 0;
    for (const { state } of this.#ordered) if (state === 'waiting' || state === 'in-progress') count += 1;
    return count;
  }

  isExhausted(): boolean {
    return this.#ordered.every(({ state }) => state === 'failed');
  }

  #isFoundationPending(foundation: string): boolean {
    return this.#ordered.some(
      (pair) =>
        pair.foundation === foundation &&
        (pair.state === 'frozen' || pair.state === 'waiting' || pair.state === 'in-progress'),
    );
  }

  #isFoundationActive(foundation: string): boolean {
    return this.#ordered.some(
      (pair) => pair.foundation === foundation && (pair.state === 'waiting' || pair.state === 'in-progress'),
    );
  }

  /** A failed pair, else the one of lowest priority that never was under way and is worse than the newcomer. */
  #leastUseful(newcomer: CandidatePair): CandidatePair | undefined {
    const failed = this.#ordered.findLast((pair) => pair.state === 'failed');
    if (failed !== undefined) return failed;
    return this.#ordered.findLast(
      (pair) => (pair.state === 'frozen' || pair.state === 'waiting') && pair.priority < newcomer.priority,
    );
  }
}
