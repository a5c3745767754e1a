import {
  decodeBase64url,
  LIMITS,
  type DeviceId,
  type Envelope,
  type MessageId,
  type RequestOf,
  type ResponseOf,
} from '@parley/protocol';
import { asEdgeError, edgeError, type EdgeClientError } from '../errors.ts';
import type { DeviceListPin } from '../identity/device-list-chain.ts';
import type { Party } from '../rendezvous/signed-session.ts';
import { fullJitter } from '../signalling/backoff.ts';
import { outboxDone, type MessageBook } from './message-book.ts';
import { deviceIdOfListed, OUTBOX_LIFETIME_MS, sealMessage } from './message-sealing.ts';
import type { OutboxEntry } from './message-store.ts';
import type { MessagesContext } from './messages-context.ts';
import { MAX_REQUEST_BYTES, SendQueue } from './send-queue.ts';
import { messageKey } from './stored-message.ts';

/** What becomes of an entry. */
export interface OutboxListener {
  /** Not delivered yet, for this reason; it is tried again. */
  waiting(entry: OutboxEntry, error: EdgeClientError): void;
  stored(entry: OutboxEntry, at: number): void;
  failed(entry: OutboxEntry, error: EdgeClientError): void;
}

/** A device that gets a copy. */
interface Recipient {
  readonly party: Party;
  readonly agreementKey: Uint8Array;
}

interface Delivery {
  readonly entry: OutboxEntry;
  /** Counts up in the order in which entries came. */
  readonly order: number;
  /** Devices that have their copy, or whose mailbox has it. */
  readonly done: Set<DeviceId>;
  attempts: number;
  isRunning: boolean;
  storedAt: number;
  cancelRetry: (() => void) | undefined;
}

const BACKOFF = { baseMs: 500, capMs: 60_000 };
/** A full mailbox empties when its owner comes back: not soon. */
const FULL_MAILBOX_RETRY_MS = 60_000;
/** What one request holds is under way while the next is sealed. */
const MAX_IN_FLIGHT = 2 * LIMITS.maxMessagesPerRequest;
/** Base64url, and what surrounds it in JSON. */
const COPY_OVERHEAD_BYTES = 256;

/** The same entry would be refused again, whenever it is sent. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  'NOT_FOUND',
  'FORBIDDEN',
  'BAD_REQUEST',
  'PAYLOAD_TOO_LARGE',
  'LIMIT_EXCEEDED',
  'UNKNOWN_EVENT',
  'EDGE_MESSAGE_TOO_LARGE',
  'EDGE_MESSAGE_EXPIRED',
  'EDGE_DEVICE_LIST_INVALID',
  'EDGE_DEVICE_LIST_ROLLBACK',
  'EDGE_GHOST_DEVICE',
  'EDGE_ROOT_CHANGED',
  'EDGE_PROTOCOL_VIOLATION',
]);

/**
 * Brings entries to every device that has to get them: over an open session where there is one, else into mailboxes. An
 * entry stays in the store until all of that is confirmed; sending it twice is harmless, its receivers know its id.
 */
export class Outbox {
  readonly #context: MessagesContext;
  readonly #book: MessageBook;
  readonly #listener: OutboxListener;
  readonly #deliveries = new Map<MessageId, Delivery>();
  readonly #queue: SendQueue;
  #entered = 0;
  #inFlight = 0;
  #isClosed = false;

  constructor(context: MessagesContext, book: MessageBook, listener: OutboxListener) {
    this.#context = context;
    this.#book = book;
    this.#listener = listener;
    this.#queue = new SendQueue(context);
    for (const entry of book.outbox) this.#enter(entry);
  }

  /** Takes an entry that the store has. */
  add(entry: OutboxEntry): void {
    this.#enter(entry);
    this.#pump();
  }

  /** Signed in or resumed. */
  online(): void {
    this.#queue.online();
    this.wake();
  }

  /** A session was opened, or the client came online: what waits is tried at once. */
  wake(): void {
    for (const delivery of this.#deliveries.values()) {
      delivery.cancelRetry?.();
      delivery.cancelRetry = undefined;
    }
    this.#pump();
  }

  close(): void {
    this.#isClosed = true;
    this.#queue.close();
    for (const { cancelRetry } of this.#deliveries.values()) cancelRetry?.();
  }

  #enter(entry: OutboxEntry): void {
    this.#entered += 1;
    this.#deliveries.set(entry.messageId, {
      entry,
      order: this.#entered,
      done: new Set(),
      attempts: 0,
      isRunning: false,
      storedAt: 0,
      cancelRetry: undefined,
    });
  }

  #pump(): void {
    if (this.#isClosed) return;
    for (const delivery of this.#deliveries.values()) {
      if (this.#inFlight >= MAX_IN_FLIGHT) return;
      if (delivery.isRunning || delivery.cancelRetry || !this.#canTry(delivery)) continue;
      delivery.isRunning = true;
      this.#inFlight += 1;
      void this.#run(delivery);
    }
  }

  #canTry({ entry }: Delivery): boolean {
    if (this.#context.isOnline()) return true;
    const pin = this.#context.lists.known(entry.peer);
    return pin?.devices.some(({ key }) => this.#context.hasDirect(deviceIdOfListed(key))) ?? false;
  }

  async #run(delivery: Delivery): Promise<void> {
    try {
      await this.#attempt(delivery);
      await this.#finish(delivery, 'sent');
      this.#listener.stored(delivery.entry, delivery.storedAt);
    } catch (thrown) {
      await this.#failed(delivery, asEdgeError(thrown, 'EDGE_PROTOCOL_VIOLATION'));
    } finally {
      this.#inFlight -= 1;
      delivery.isRunning = false;
    }
    this.#pump();
  }

  async #failed(delivery: Delivery, error: EdgeClientError): Promise<void> {
    if (this.#isClosed) return;
    if (FINAL_CODES.has(error.code)) {
      try {
        await this.#finish(delivery, 'failed');
        this.#listener.failed(delivery.entry, error);
        return;
      } catch {
        // The store refused to note it: the entry is still there, and is tried again.
      }
    }
    this.#listener.waiting(delivery.entry, error);
    const wait = Math.max(
      error.retryAfterMs ?? 0,
      error.code === 'EDGE_MAILBOX_FULL' ? FULL_MAILBOX_RETRY_MS : 0,
      fullJitter(delivery.attempts, this.#context.random, BACKOFF),
    );
    delivery.attempts += 1;
    delivery.cancelRetry = this.#context.scheduler.after(wait, () => {
      delivery.cancelRetry = undefined;
      this.#pump();
    });
  }

  async #finish(delivery: Delivery, state: 'sent' | 'failed'): Promise<void> {
    const { entry, storedAt } = delivery;
    const key = messageKey(this.#context.self().deviceId, entry.messageId);
    const edit = state === 'sent' ? { state, storedAt } : { state };
    await this.#book.change(
      entry.content.kind === 'text' ? [key] : [],
      (message) => ({ ...message, ...edit }),
      [outboxDone(entry.messageId)],
    );
    this.#deliveries.delete(entry.messageId);
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const { entry, done } = delivery;
    if (this.#context.now() - entry.sentAt > OUTBOX_LIFETIME_MS) throw edgeError('EDGE_MESSAGE_EXPIRED');
    const { peer, own } = await this.#lists(entry);
    const recipients = this.#recipients(entry, peer, own).filter(({ party }) => !done.has(party.deviceId));
    const envelopes = new Map<DeviceId, Envelope>();
    for (const recipient of recipients) {
      envelopes.set(recipient.party.deviceId, await this.#seal(entry, recipient));
    }
    await Promise.all(recipients.map(({ party }) => this.#sendDirect(delivery, party, envelopes)));
    const copies = recipients
      .filter(({ party }) => !done.has(party.deviceId))
      .flatMap(({ party }) => {
        const envelope = envelopes.get(party.deviceId);
        return envelope ? [{ to: party, envelope }] : [];
      });
    const versions = { peer: peer.version, own: own.version };
    const isFull = await this.#sendStored(delivery, copies, versions);
    if (isFull) throw edgeError('EDGE_MAILBOX_FULL');
  }

  /** As verified now; without a supernode, as verified last. */
  async #lists({ peer }: OutboxEntry): Promise<{ peer: DeviceListPin; own: DeviceListPin }> {
    const { lists, self, isOnline } = this.#context;
    const find = async (userId: OutboxEntry['peer']) =>
      (isOnline() ? undefined : lists.known(userId)) ?? (await lists.verified(userId));
    return { peer: await find(peer), own: await find(self().userId) };
  }

  #recipients(
    { peer: peerId, content }: OutboxEntry,
    peer: DeviceListPin,
    own: DeviceListPin,
  ): readonly Recipient[] {
    const self = this.#context.self();
    const theirs = peerId === self.userId ? [] : recipientsOf(peerId, peer);
    // That a message arrived here is no news to our other devices; that it was read here is.
    const isForOwn = content.kind !== 'receipt' || content.receipt === 'read';
    const ours = isForOwn ? recipientsOf(self.userId, own) : [];
    return [...theirs, ...ours.filter(({ party }) => party.deviceId !== self.deviceId)];
  }

  #seal(entry: OutboxEntry, { party, agreementKey }: Recipient): Promise<Envelope> {
    const { deviceKey, providers, self } = this.#context;
    return sealMessage({ ...entry, from: self(), to: party }, deviceKey, providers[0], {
      deviceId: party.deviceId,
      agreementKey,
    });
  }

  async #sendDirect(
    delivery: Delivery,
    { deviceId }: Party,
    envelopes: ReadonlyMap<DeviceId, Envelope>,
  ): Promise<void> {
    const { messageId } = delivery.entry;
    const envelope = envelopes.get(deviceId);
    if (!envelope || !this.#context.hasDirect(deviceId)) return;
    if (!(await this.#context.direct(deviceId, { messageId, envelope }))) return;
    delivery.done.add(deviceId);
    delivery.storedAt = this.#context.now();
  }

  /** True when a mailbox had no room. */
  async #sendStored(
    delivery: Delivery,
    copies: readonly { readonly to: Party; readonly envelope: Envelope }[],
    listVersions: { readonly peer: number; readonly own: number },
  ): Promise<boolean> {
    const { messageId, peer, content } = delivery.entry;
    let isFull = false;
    for (const group of groupsOf(copies)) {
      const isReceipt = content.kind === 'receipt';
      const request = { messageId, to: peer, isReceipt, listVersions, copies: group };
      const { storedAt, full } = await this.#request(request, delivery.order);
      delivery.storedAt = storedAt;
      for (const { to } of group) if (!full.includes(to.deviceId)) delivery.done.add(to.deviceId);
      isFull ||= full.length > 0;
    }
    return isFull;
  }

  async #request(request: RequestOf<'message.send'>, order: number): Promise<ResponseOf<'message.send'>> {
    try {
      return await this.#queue.send(request, order);
    } catch (thrown) {
      const error = asEdgeError(thrown, 'EDGE_PROTOCOL_VIOLATION');
      if (error.code === 'DEVICE_LIST_STALE') {
        // The next attempt seals for the devices that there are by then.
        const { lists, self } = this.#context;
        await Promise.all([lists.refresh(request.to), lists.refresh(self().userId)]);
      }
      throw error;
    }
  }
}

function recipientsOf(userId: Party['userId'], pin: DeviceListPin): readonly Recipient[] {
  return pin.devices.map(({ key, agreementKey }) => ({
    party: { userId, deviceId: deviceIdOfListed(key) },
    agreementKey: decodeBase64url(agreementKey) ?? new Uint8Array(0),
  }));
}

function groupsOf<Copy extends { readonly envelope: Envelope }>(copies: readonly Copy[]): Copy[][] {
  const groups: Copy[][] = [];
  let bytes = 0;
  for (const copy of copies) {
    const size = copy.envelope.sealed.length + COPY_OVERHEAD_BYTES;
    const group = groups.at(-1);
    if (group && group.length < LIMITS.maxCopiesPerRequest && bytes + size <= MAX_REQUEST_BYTES) {
      group.push(copy);
      bytes += size;
    } else {
      groups.push([copy]);
      bytes = size;
    }
  }
  return groups;
}
