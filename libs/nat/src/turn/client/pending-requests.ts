import { ClientTransaction, type RetransmissionParameters } from '../../stun/client-transaction.ts';
import type { StunMessage } from '../../stun/message.ts';
import { transactionIdKey } from '../../stun/transaction-id.ts';
import type { Instant } from '../../time/instant.ts';
import { TimerQueue, type Timer } from '../../time/timer-queue.ts';
import type { IntegrityKey } from './long-term-session.ts';
import type { RequestPurpose } from './request-purpose.ts';

export interface PendingRequest {
  readonly purpose: RequestPurpose;
  readonly integrity: IntegrityKey | undefined;
  readonly credentialVersion: number;
  /** How many 401 and 438 led to this one. */
  readonly challenges: number;
}

interface Entry {
  readonly request: PendingRequest;
  readonly transaction: ClientTransaction;
  readonly timer: Timer<string>;
}

export type PendingRequestOutput =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'timed-out'; readonly request: PendingRequest };

/** The requests without an answer, each with its own retransmission. */
export class PendingRequests {
  private readonly retransmission: RetransmissionParameters;
  private readonly entries = new Map<string, Entry>();
  private readonly timers = new TimerQueue<string>();

  constructor(retransmission: RetransmissionParameters) {
    this.retransmission = retransmission;
  }

  /** Adds a request and gives its first transmission. */
  start(request: PendingRequest, bytes: Uint8Array, now: Instant): Uint8Array {
    const transaction = new ClientTransaction(bytes, this.retransmission);
    transaction.start(now);
    const timer = this.timers.add(transaction.key, transaction.nextTimeoutAt() ?? now);
    this.entries.set(transaction.key, { request, transaction, timer });
    return bytes;
  }

  requestOf(response: StunMessage): PendingRequest | undefined {
    return this.entries.get(transactionIdKey(response.transactionId))?.request;
  }

  /** The answer counts: no retransmission follows. */
  end(response: StunMessage): void {
    this.remove(transactionIdKey(response.transactionId));
  }

  endAll(): void {
    for (const key of [...this.entries.keys()]) this.remove(key);
  }

  handleTimeout(now: Instant): readonly PendingRequestOutput[] {
    const outputs: PendingRequestOutput[] = [];
    for (let key = this.timers.takeDue(now); key !== undefined; key = this.timers.takeDue(now)) {
      const entry = this.entries.get(key);
      if (entry === undefined) continue;
      for (const output of entry.transaction.handleTimeout(now)) {
        outputs.push(output.kind === 'send' ? output : { kind: 'timed-out', request: entry.request });
      }
      const next = entry.transaction.nextTimeoutAt();
      if (next === undefined) this.remove(key);
      else this.timers.move(entry.timer, next);
    }
    return outputs;
  }

  nextTimeoutAt(): Instant | undefined {
    return this.timers.nextAt();
  }

  private remove(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    entry.transaction.end();
    this.timers.remove(entry.timer);
    this.entries.delete(key);
  }
}
