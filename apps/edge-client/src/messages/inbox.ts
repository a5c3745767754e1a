import type { Envelope, MessageId, UserId } from '@parley/protocol';
import { edgeError, EdgeClientError } from '../errors.ts';
import { findDevice } from '../identity/device-list-chain.ts';
import type { Party } from '../rendezvous/signed-session.ts';
import { dueReceiptRow, type MessageBook } from './message-book.ts';
import {
  deviceIdOfListed,
  FORGERIES,
  MAX_MESSAGE_AGE_MS,
  openMessage,
  type OpenedMessage,
} from './message-sealing.ts';
import type { StoreChange } from './message-store.ts';
import type { MessageDropReason, MessagesContext } from './messages-context.ts';
import { keyOfMessage, messageKey, type MessageKey, type StoredMessage } from './stored-message.ts';

/** One copy as it came, by whichever road. */
export interface IncomingCopy {
  /** The sending device, as the supernode or the session says. */
  readonly from: Party;
  readonly messageId: MessageId;
  readonly envelope: Envelope;
}

/**
 * What became of a copy. `waiting`: kept, and the app has not acknowledged it yet. `settled`: nothing more is needed of it.
 * `held`: it cannot be judged for now, and whoever brought it must keep it.
 */
export type TakeOutcome = 'waiting' | 'settled' | 'held';

export interface InboxListener {
  /** For the app, which has to acknowledge it. */
  arrived(message: StoredMessage): void;
  requested(message: StoredMessage): void;
  receipt(receipt: ReceiptNews): void;
}

/** Messages of this account that a device of the peer has, or that the user has read (elsewhere, when it is our own). */
export interface ReceiptNews {
  readonly from: Party;
  readonly peer: UserId;
  readonly receipt: 'delivered' | 'read';
  readonly messages: readonly StoredMessage[];
  readonly at: number;
}

/** Unanswered messages in the request box, of one stranger and of all. */
const MAX_REQUESTS_PER_USER = 20;
const MAX_REQUESTS = 500;

/** What is to be done for one copy once its changes are committed. */
interface Judged {
  readonly outcome: TakeOutcome;
  readonly changes: readonly StoreChange[];
  readonly effect?: () => void;
}

const SETTLED: Judged = { outcome: 'settled', changes: [] };

/** Takes copies in, by whichever road and however often they come: each message is kept once, then told once. */
export class Inbox {
  readonly #context: MessagesContext;
  readonly #book: MessageBook;
  readonly #listener: InboxListener;
  /** Keys in the request box, by sending user. */
  readonly #requests = new Map<UserId, Set<MessageKey>>();
  /** Kept, and not acknowledged by the app. */
  readonly #waiting = new Set<MessageKey>();
  /** Copies are judged one after the other, so that two of one message cannot pass each other. */
  #taking: Promise<unknown> = Promise.resolve();

  constructor(context: MessagesContext, book: MessageBook, listener: InboxListener) {
    this.#context = context;
    this.#book = book;
    this.#listener = listener;
  }

  /** What an earlier run of the app did not get to. Call it once, before anything is taken. */
  async restore(): Promise<readonly StoredMessage[]> {
    for (const message of await this.#book.inState('request')) this.#noteRequest(message);
    const arrived = await this.#book.inState('arrived');
    for (const message of arrived) this.#waiting.add(keyOfMessage(message));
    return arrived;
  }

  /**
   * Takes copies in with one commit; the answer is in their order. After an error none of them was taken.
   *
   * @throws what keeps device lists from being asked for, EDGE_MESSAGES_UNUSABLE
   */
  take(copies: readonly IncomingCopy[]): Promise<readonly TakeOutcome[]> {
    const taking = this.#taking.then(() => this.#take(copies));
    this.#taking = taking.catch(() => undefined); // the failure belongs to this caller
    return taking;
  }

  /** The app has acknowledged it: commits that, and the receipt that its sender gets. */
  async acknowledge(message: StoredMessage): Promise<void> {
    const key = keyOfMessage(message);
    const { from, peer, messageId } = message;
    const isTheirs = from.userId !== this.#context.self().userId;
    const due = isTheirs ? [dueReceiptRow({ peer, messageId, receipt: 'delivered' })] : [];
    await this.#book.change([key], (current) => ({ ...current, state: 'done' }), due);
    this.#waiting.delete(key);
  }

  /** The messages of a user leave the request box. */
  async releaseRequests(userId: UserId, state: 'arrived' | 'declined'): Promise<readonly StoredMessage[]> {
    const keys = [...(this.#requests.get(userId) ?? [])];
    const released = await this.#book.change(keys, (message) => ({ ...message, state }));
    this.#requests.delete(userId);
    if (state === 'arrived') for (const key of keys) this.#waiting.add(key);
    return released;
  }

  /** Resolves when nothing is being taken in. */
  async idle(): Promise<void> {
    await this.#taking;
  }

  /** Whether the app still has to acknowledge it. */
  isWaiting(key: MessageKey): boolean {
    return this.#waiting.has(key);
  }

  /** Keys in the request box. */
  requests(): readonly MessageKey[] {
    return [...this.#requests.values()].flatMap((keys) => [...keys]);
  }

  async #take(copies: readonly IncomingCopy[]): Promise<readonly TakeOutcome[]> {
    const judged: Judged[] = [];
    const inThisTurn = new Set<MessageKey>();
    for (const copy of copies) {
      const key = messageKey(copy.from.deviceId, copy.messageId);
      if (this.#book.isKnown(key) || inThisTurn.has(key)) judged.push(this.#duplicate(key, inThisTurn));
      else {
        const verdict = await this.#judge(copy);
        if (verdict.changes.length > 0) inThisTurn.add(key);
        judged.push(verdict);
      }
    }
    await this.#book.commit(judged.flatMap(({ changes }) => changes));
    for (const { effect } of judged) effect?.();
    return judged.map(({ outcome }) => outcome);
  }

  #duplicate(key: MessageKey, inThisTurn: ReadonlySet<MessageKey>): Judged {
    this.#context.drops.count('duplicate');
    // A copy of a message that the app still has to acknowledge is as little acknowledged as the first one.
    return this.#waiting.has(key) || inThisTurn.has(key) ? { outcome: 'waiting', changes: [] } : SETTLED;
  }

  async #judge(copy: IncomingCopy): Promise<Judged> {
    const context = this.#context;
    if (context.contactState(copy.from.userId) === 'blocked') return this.#drop('blocked');
    let listProblem: 'held' | 'unknown-device' | undefined;
    const opened = await openMessage(
      copy.envelope,
      context.providers,
      { tenant: context.tenant, self: context.self(), now: context.now(), ...copy },
      async () => {
        const found = await this.#senderKey(copy.from);
        if (found.key === undefined) listProblem = found.problem;
        return found.key;
      },
    );
    if (listProblem === 'held') return { ...this.#drop('list-refused'), outcome: 'held' };
    if (listProblem === 'unknown-device') return this.#drop('unknown-device');
    if (!opened.ok) {
      if (FORGERIES.has(opened.reason)) {
        context.alert({ userId: copy.from.userId, error: edgeError('EDGE_MESSAGE_FORGED') });
      }
      return this.#drop(opened.reason);
    }
    return opened.message.content.kind === 'receipt'
      ? this.#judgeReceipt(opened.message, opened.message.content)
      : this.#judgeMessage(opened.message);
  }

  #judgeMessage(message: OpenedMessage): Judged {
    const { content } = message;
    if (content.kind === 'receipt') return SETTLED;
    const { conversation, messageId, from, sentAt, clock } = message;
    const self = this.#context.self();
    const isOwn = from.userId === self.userId;
    const stored: StoredMessage = {
      ...{ conversation, messageId, from, sentAt, clock, content },
      peer: isOwn ? message.peer : from.userId,
      state: content.kind === 'unknown' ? 'unread' : this.#stateFor(from.userId),
      storedAt: null,
      receipts: {},
      isRead: false,
    };
    if (stored.state === 'request' && !this.#hasRoomForRequest(from.userId))
      return this.#drop('request-box-full');
    const advance = this.#book.advanceClock(conversation, clock);
    const changes: StoreChange[] = [{ table: 'messages', value: stored }, ...(advance ? [advance] : [])];
    if (stored.state === 'unread') return { outcome: 'settled', changes };
    if (stored.state === 'request') {
      // At once: the next copy of the same turn has to find the box fuller.
      this.#noteRequest(stored);
      return { outcome: 'settled', changes, effect: () => this.#listener.requested(stored) };
    }
    return {
      outcome: 'waiting',
      changes,
      effect: () => {
        this.#waiting.add(keyOfMessage(stored));
        this.#listener.arrived(stored);
      },
    };
  }

  /** The supernode's word on who is a stranger is not needed: the contact list says it. */
  #stateFor(userId: UserId): StoredMessage['state'] {
    const isKnown =
      userId === this.#context.self().userId || this.#context.contactState(userId) === 'accepted';
    return isKnown ? 'arrived' : 'request';
  }

  /** One commit for the receipt and what it changes: it is applied once, and never lost. */
  async #judgeReceipt(
    { conversation, messageId, from, clock, sentAt, peer }: OpenedMessage,
    {
      receipt,
      messageIds,
    }: { readonly receipt: 'delivered' | 'read'; readonly messageIds: readonly MessageId[] },
  ): Promise<Judged> {
    const { self, lists, drops, now } = this.#context;
    const isOwn = from.userId === self().userId;
    const news = { from, peer: isOwn ? peer : from.userId, receipt, at: now() };
    const senders = lists.known(isOwn ? news.peer : self().userId)?.devices ?? [];
    const keys = messageIds.flatMap((id) => senders.map(({ key }) => messageKey(deviceIdOfListed(key), id)));
    const advance = this.#book.advanceClock(conversation, clock);
    const seenKey = messageKey(from.deviceId, messageId);
    const messages = await this.#book.change(
      keys,
      (message) => (message.peer === news.peer ? withReceipt(message, news, isOwn) : undefined),
      [{ table: 'seen', key: seenKey, value: sentAt + MAX_MESSAGE_AGE_MS }, ...(advance ? [advance] : [])],
    );
    if (messages.length === 0) drops.count('receipt-without-news');
    else this.#listener.receipt({ ...news, messages });
    return SETTLED;
  }

  async #senderKey({ userId, deviceId }: Party): Promise<SenderKey> {
    const { lists } = this.#context;
    try {
      const known = findDevice(await lists.verified(userId), deviceId);
      // A device that was added since we last asked is no ghost yet.
      const device = known ?? findDevice(await lists.refresh(userId), deviceId);
      return device ? { key: device.key } : { key: undefined, problem: 'unknown-device' };
    } catch (thrown) {
      if (!(thrown instanceof EdgeClientError)) throw thrown;
      if (thrown.code === 'NOT_FOUND') return { key: undefined, problem: 'unknown-device' };
      // The list may be accepted later (a new account key); a list that cannot be asked for says nothing.
      if (thrown.retryable) throw thrown;
      return { key: undefined, problem: 'held' };
    }
  }

  #hasRoomForRequest(userId: UserId): boolean {
    return (
      (this.#requests.get(userId)?.size ?? 0) < MAX_REQUESTS_PER_USER && this.requests().length < MAX_REQUESTS
    );
  }

  #noteRequest(message: StoredMessage): void {
    const keys = this.#requests.get(message.peer) ?? new Set();
    this.#requests.set(message.peer, keys.add(keyOfMessage(message)));
  }

  #drop(reason: MessageDropReason): Judged {
    this.#context.drops.count(reason);
    return SETTLED;
  }
}

type SenderKey =
  { readonly key: string } | { readonly key: undefined; readonly problem: 'held' | 'unknown-device' };

function withReceipt(
  message: StoredMessage,
  { from, receipt, at }: Omit<ReceiptNews, 'messages'>,
  isOwn: boolean,
): StoredMessage | undefined {
  // Our own other device says that the user has read what the peer wrote.
  if (isOwn) return receipt === 'read' && !message.isRead ? { ...message, isRead: true } : undefined;
  const before = message.receipts[from.deviceId] ?? { deliveredAt: null, readAt: null };
  const after = {
    deliveredAt: before.deliveredAt ?? at,
    readAt: before.readAt ?? (receipt === 'read' ? at : null),
  };
  if (after.deliveredAt === before.deliveredAt && after.readAt === before.readAt) return undefined;
  return { ...message, receipts: { ...message.receipts, [from.deviceId]: after } };
}
