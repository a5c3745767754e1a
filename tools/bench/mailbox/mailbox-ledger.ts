import { quantile } from '../figures.ts';
import { machineClockMs } from '../machine-clock.ts';
import type { Quantiles } from './mailbox-crowd-commands.ts';

interface Entry {
  readonly to: number;
  readonly dueAt: number;
  timesSeen: number;
}

/** What was sent, and what came of it, in one round. */
export class MailboxLedger {
  readonly #entries = new Map<string, Entry>();
  readonly #storedAfterMs: number[] = [];
  readonly #arrivedAfterMs: number[] = [];
  #wrong = 0;
  storedAt = 0;
  arrivedAt = 0;
  receiptedAt = 0;
  receipts = 0;
  receiptsArrived = 0;
  refusals = 0;

  get messages(): number {
    return this.#entries.size;
  }

  get arrived(): number {
    return this.#arrivedAfterMs.length;
  }

  /** Messages that came to somebody else, again, or not at all. */
  get wrong(): number {
    return this.#wrong + [...this.#entries.values()].filter(({ timesSeen }) => timesSeen !== 1).length;
  }

  get storedQuantiles(): Quantiles {
    return quantilesOf(this.#storedAfterMs);
  }

  get arrivedQuantiles(): Quantiles {
    return quantilesOf(this.#arrivedAfterMs);
  }

  sends(messageId: string, to: number, dueAt: number): void {
    this.#entries.set(messageId, { to, dueAt, timesSeen: 0 });
  }

  stored(dueAt: number): void {
    this.storedAt = machineClockMs();
    this.#storedAfterMs.push(this.storedAt - dueAt);
  }

  sees(messageId: string, user: number): void {
    const entry = this.#entries.get(messageId);
    if (entry?.to !== user) {
      this.#wrong += 1;
      return;
    }
    entry.timesSeen += 1;
    this.arrivedAt = machineClockMs();
    this.#arrivedAfterMs.push(this.arrivedAt - entry.dueAt);
  }

  seesReceipt(): void {
    this.receiptsArrived += 1;
    this.receiptedAt = machineClockMs();
  }
}

function quantilesOf(values: readonly number[]): Quantiles {
  return { p50: quantile(values, 0.5), p99: quantile(values, 0.99) };
}
