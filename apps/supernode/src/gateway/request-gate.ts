import { Inject, Injectable } from '@nestjs/common';
import {
  CLIENT_REQUESTS,
  LIMITS,
  refused,
  type Acknowledgement,
  type ClientRequestName,
} from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { EDGE_CONFIG } from '../config/config.module.ts';
import type { EdgeConfig } from '../config/config.schema.ts';
import { Metrics } from '../observability/metrics.ts';
import type { Connection } from './connection.ts';
import { RequestHandlers } from './request-handlers.ts';
import { TokenBucket } from './token-bucket.ts';

/** Requests over the budget that are answered at all, with the same refill as the budget; then the connection is closed. */
const MAX_EXCESS = 1_000;
/** Requests of one connection that may be under way at one time. */
const MAX_UNDER_WAY = 64;
const MIN_RETRY_MS = 20;

/**
 * These have a budget of their own. They are cheap, because many share a commit, and come in bursts: who returns after a
 * week reads and acknowledges a full mailbox, and must still be able to do everything else meanwhile.
 */
const OF_MESSAGES: ReadonlySet<unknown> = new Set<ClientRequestName>([
  'message.send',
  'message.send-batch',
  'mailbox.read',
  'mailbox.acknowledge',
]);

type Acknowledge = (reply: Acknowledgement<unknown>) => void;

/** The first look at every packet of a connection: known event, someone waits for the answer, within the budget. */
@Injectable()
export class RequestGate {
  constructor(
    private readonly metrics: Metrics,
    private readonly handlers: RequestHandlers,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(EDGE_CONFIG) private readonly config: Pick<EdgeConfig, 'messageRequestsPerSecond'>,
  ) {}

  /** The gate of one connection. It answers true when the packet may go on to its handler. */
  open(connection: Connection): (packet: readonly unknown[]) => boolean {
    const budget = this.bucket(LIMITS.requestsPerSecond);
    // Most connections never need these, and they are full whenever they are made.
    let messageBudget: TokenBucket | undefined;
    let excess: TokenBucket | undefined;
    return (packet) => {
      const last = packet.at(-1);
      const acknowledge = typeof last === 'function' ? (last as Acknowledge) : undefined;
      if (!connection.isOpen) return this.drop('closing');
      const now = this.clock.monotonic();
      const ofPacket = OF_MESSAGES.has(packet[0])
        ? (messageBudget ??= this.bucket(this.config.messageRequestsPerSecond))
        : budget;
      const retryAfterMs = ofPacket.take(now, costOf(packet));
      if (retryAfterMs > 0 || connection.requestsUnderWay >= MAX_UNDER_WAY) {
        excess ??= new TokenBucket(LIMITS.requestsPerSecond, MAX_EXCESS, now);
        if (excess.take(now) > 0) connection.close();
        const wait = Math.max(retryAfterMs, MIN_RETRY_MS);
        acknowledge?.(refused('RATE_LIMITED', 'Too many requests on this connection.', wait));
        return this.drop('rate-limited');
      }
      if (!acknowledge) return this.drop('no-acknowledgement');
      const [event] = packet;
      // Nobody waits in vain for what this supernode does not do.
      if (typeof event !== 'string' || !Object.hasOwn(CLIENT_REQUESTS, event) || !this.handlers.has(event)) {
        acknowledge(refused('UNKNOWN_EVENT', 'The protocol has no such event.'));
        return this.drop('unknown-event');
      }
      return true;
    };
  }

  private bucket(perSecond: number): TokenBucket {
    return new TokenBucket(perSecond, perSecond * LIMITS.requestBurstFactor, this.clock.monotonic());
  }

  private drop(reason: string): false {
    this.metrics.drop('gateway', reason);
    return false;
  }
}

/** A batch costs what its messages would cost one by one. It has not been looked at yet: more than it may have is refused later. */
function costOf([event, payload]: readonly unknown[]): number {
  if (event !== 'message.send-batch' || typeof payload !== 'object' || payload === null) return 1;
  const messages = 'messages' in payload ? payload.messages : undefined;
  if (!Array.isArray(messages)) return 1;
  return Math.min(Math.max(messages.length, 1), LIMITS.maxMessagesPerRequest);
}
