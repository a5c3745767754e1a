import type { ConversationId, DeviceId, MessageId } from '@parley/protocol';
import type { EdgeClientError } from '../errors.ts';
import { deferred, type Deferred } from '../session/deferred.ts';

/** A message on its way. The promises may be left alone: their rejections do not count as unhandled. */
export interface SentMessage {
  readonly id: MessageId;
  readonly conversation: ConversationId;
  /**
   * Every copy is in a mailbox or on its device. Rejects when that can't be: NOT_FOUND, FORBIDDEN, EDGE_GHOST_DEVICE,
   * EDGE_MESSAGE_EXPIRED, …; and with EDGE_CLIENT_CLOSED, after which the next start goes on with it.
   */
  readonly stored: Promise<{ readonly at: number }>;
  /** The first device of the peer has brought it to its app. */
  readonly delivered: Promise<DeviceReceiptTime>;
  /** The peer has read it. */
  readonly read: Promise<DeviceReceiptTime>;
}

export interface DeviceReceiptTime {
  readonly deviceId: DeviceId;
  /** Milliseconds since the epoch by the supernode's clock. */
  readonly at: number;
}

interface Tracked {
  readonly stored: Deferred<{ readonly at: number }>;
  readonly delivered: Deferred<DeviceReceiptTime>;
  readonly read: Deferred<DeviceReceiptTime>;
}

/** Messages whose promises are still open; the oldest are let go of, the `receipt` event tells of them too. */
const MAX_TRACKED = 10_000;

/** Settles the promises of what this process has sent. */
export class SentTracker {
  readonly #tracked = new Map<MessageId, Tracked>();

  track(id: MessageId, conversation: ConversationId): SentMessage {
    const tracked: Tracked = { stored: deferred(), delivered: deferred(), read: deferred() };
    this.#tracked.set(id, tracked);
    const [oldest] = this.#tracked.keys();
    if (this.#tracked.size > MAX_TRACKED && oldest) this.#tracked.delete(oldest);
    const { stored, delivered, read } = tracked;
    return { id, conversation, stored: stored.promise, delivered: delivered.promise, read: read.promise };
  }

  stored(id: MessageId, at: number): void {
    this.#tracked.get(id)?.stored.resolve({ at });
  }

  receipt(id: MessageId, receipt: 'delivered' | 'read', time: DeviceReceiptTime): void {
    const tracked = this.#tracked.get(id);
    // Who has read it has got it, whichever receipt comes first.
    tracked?.delivered.resolve(time);
    if (receipt !== 'read') return;
    tracked?.read.resolve(time);
  }

  failed(id: MessageId, error: EdgeClientError): void {
    const tracked = this.#tracked.get(id);
    this.#tracked.delete(id);
    if (tracked) for (const promise of Object.values(tracked) as Deferred<never>[]) promise.reject(error);
  }

  close(error: EdgeClientError): void {
    for (const id of [...this.#tracked.keys()]) this.failed(id, error);
  }
}
