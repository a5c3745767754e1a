/**
 * Retransmission of one request over an unreliable transport (RFC 8489 section 6.2.1). With the default values a request
 * leaves at 0, 500, 1500, 3500, 7500, 15500 and 31500 ms and is given up at 39500 ms.
 */
import { after, type Instant } from '../time/instant.ts';
import { transactionIdKey } from './transaction-id.ts';

export interface RetransmissionParameters {
  /** Initial retransmission timeout in milliseconds; doubles with each transmission. @default 500 */
  readonly rto: number;
  /** How often the request is sent in all. @default 7 */
  readonly rc: number;
  /** How many initial timeouts to wait for an answer after the last transmission. @default 16 */
  readonly rm: number;
}

export const DEFAULT_RETRANSMISSION: RetransmissionParameters = { rto: 500, rc: 7, rm: 16 };

export type ClientTransactionOutput =
  { readonly kind: 'send'; readonly bytes: Uint8Array } | { readonly kind: 'timed-out' };

/** Its owner matches responses by {@link key} and then calls {@link end}. */
export class ClientTransaction {
  /** Map key of the transaction id, see `transactionIdKey`. */
  readonly key: string;
  /** How often the request was sent; an answer to a request that was sent once gives an unambiguous round-trip time. */
  transmissions = 0;
  private readonly request: Uint8Array;
  private readonly parameters: RetransmissionParameters;
  private timeoutAt: Instant | undefined;

  constructor(request: Uint8Array, parameters: RetransmissionParameters = DEFAULT_RETRANSMISSION) {
    this.request = request;
    this.parameters = parameters;
    this.key = transactionIdKey(request.subarray(8, 20));
  }

  /** The first transmission. */
  start(now: Instant): readonly ClientTransactionOutput[] {
    return this.transmit(now);
  }

  handleTimeout(now: Instant): readonly ClientTransactionOutput[] {
    if (this.timeoutAt === undefined || now < this.timeoutAt) return [];
    if (this.transmissions < this.parameters.rc) return this.transmit(now);
    this.end();
    return [{ kind: 'timed-out' }];
  }

  nextTimeoutAt(): Instant | undefined {
    return this.timeoutAt;
  }

  /** The answer came, or nobody waits for it any more: no output follows. */
  end(): void {
    this.timeoutAt = undefined;
  }

  private transmit(now: Instant): readonly ClientTransactionOutput[] {
    const { rto, rc, rm } = this.parameters;
    this.transmissions += 1;
    const wait = this.transmissions < rc ? rto * 2 ** (this.transmissions - 1) : rto * rm;
    this.timeoutAt = after(now, wait);
    return [{ kind: 'send', bytes: this.request }];
  }
}
