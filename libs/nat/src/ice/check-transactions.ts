import { after, type Instant } from '../time/instant.ts';
import { transactionIdKey } from '../stun/transaction-id.ts';
import type { CandidatePair } from './candidate-pair.ts';
import type { IceRole } from './ice-role.ts';

/**
 * A `check` decides the state of its pair, a `nomination` tells the choice, a `consent` check asks whether the path lives, and a
 * `measure` how long it takes.
 */
export type CheckPurpose = 'check' | 'nomination' | 'consent' | 'measure';

export interface CheckTransaction {
  readonly transactionId: Uint8Array;
  readonly pair: CandidatePair;
  readonly purpose: CheckPurpose;
  readonly bytes: Uint8Array;
  /** The role that the request claimed: a 487 to an outdated claim means nothing. */
  readonly role: IceRole;
  readonly sentAt: Instant;
  requests: number;
  rtoMs: number;
  /** Retransmission, or the end after the last one. */
  dueAt: Instant;
  /** Replaced by a newer check (RFC 8445 section 7.3.1.4): an answer still counts, silence does not. */
  isCancelled: boolean;
}

/** The requests that wait for an answer. Bounded: the oldest gives way. */
export class CheckTransactions {
  readonly #byId = new Map<string, CheckTransaction>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** False: an older one had to give way. */
  add(transaction: CheckTransaction): boolean {
    const oldest = this.#byId.size < this.#limit ? undefined : this.#byId.keys().next().value;
    if (oldest !== undefined) this.#byId.delete(oldest);
    this.#byId.set(transactionIdKey(transaction.transactionId), transaction);
    return oldest === undefined;
  }

  find(transactionId: Uint8Array): CheckTransaction | undefined {
    return this.#byId.get(transactionIdKey(transactionId));
  }

  remove(transaction: CheckTransaction): void {
    this.#byId.delete(transactionIdKey(transaction.transactionId));
  }

  /** No more retransmissions for the pair; answers are awaited for `graceMs` more. */
  cancel(pair: CandidatePair, now: Instant, graceMs: number): void {
    for (const transaction of this.#byId.values()) {
      if (transaction.pair !== pair || transaction.isCancelled) continue;
      transaction.isCancelled = true;
      transaction.dueAt = after(now, graceMs);
    }
  }

  /** Forgets everything about the pair. */
  drop(pair: CandidatePair): void {
    for (const [id, transaction] of this.#byId) if (transaction.pair === pair) this.#byId.delete(id);
  }

  clear(): void {
    this.#byId.clear();
  }

  /** Checks without a retransmission yet, the oldest first. */
  sentOnce(): readonly CheckTransaction[] {
    return [...this.#byId.values()].filter(
      ({ purpose, requests, isCancelled }) => purpose === 'check' && requests === 1 && !isCancelled,
    );
  }

  due(now: Instant): readonly CheckTransaction[] {
    return [...this.#byId.values()].filter(({ dueAt }) => dueAt <= now);
  }

  nextAt(): Instant | undefined {
    let earliest: Instant | undefined;
    for (const { dueAt } of this.#byId.values())
      if (earliest === undefined || dueAt < earliest) earliest = dueAt;
    return earliest;
  }
}
