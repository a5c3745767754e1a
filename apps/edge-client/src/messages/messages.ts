import { LIMITS, type ConversationId, type MailboxItem, type MessageId, type UserId } from '@parley/protocol';
import { TypedEvents } from '../client/typed-events.ts';
import { edgeError, type EdgeClientError } from '../errors.ts';
import type { Party } from '../rendezvous/signed-session.ts';
import {
  toChatMessage,
  toHistoryMessage,
  type ChatMessage,
  type HistoryMessage,
  type ReceivedMessage,
} from './chat-message.ts';
import { Delivery } from './delivery.ts';
import { Inbox, type IncomingCopy } from './inbox.ts';
import type { ReceiptNews } from './incoming-receipts.ts';
import { Mailbox, type CatchUp } from './mailbox.ts';
import { dueReceiptRow, MessageBook, outboxRow } from './message-book.ts';
import { MessageRequests, type ContactChanges } from './message-requests.ts';
import { conversationIdOf } from './message-sealing.ts';
import type { MessageStore, OutboxEntry } from './message-store.ts';
import { MessageStream, MessageStreamLeft } from './message-stream.ts';
import type { MessagesContext } from './messages-context.ts';
import { Outbox } from './outbox.ts';
import { Receipts } from './receipts.ts';
import { SentTracker, type SentMessage } from './sent-tracker.ts';
import { isShownState, keyOfMessage, messageKey, type StoredMessage } from './stored-message.ts';

/** Events of {@link Messages.on}. */
export interface MessageEvents {
  /**
   * A message for the app, or a copy of one that another device of this account sent. The handler's promise is the app's
   * acknowledgement: until it resolves the message stays in store and mailbox, and after a rejection, or a crash, it comes
   * again. One at a time per conversation.
   */
  readonly message: ReceivedMessage;
  /** A user who is no contact has written. */
  readonly request: ChatMessage;
  readonly receipt: MessageReceipt;
  readonly status: StatusChange;
  /** After every sign-in: all was read, or some had expired before. */
  readonly 'catch-up': { readonly continuity: 'complete' | 'gap' };
  /** A handler of `message` failed, or the acknowledgement could not be kept; it is tried again. */
  readonly 'delivery-failed': { readonly message: ChatMessage; readonly thrown: unknown };
}

/** Events that nothing waits for. */
type QuietEvents = Omit<MessageEvents, 'message'>;
type QuietEvent = keyof QuietEvents;

/** Devices of the peer have messages of ours; or (own device) our user has read messages of the peer elsewhere. */
export interface MessageReceipt {
  readonly peer: UserId;
  readonly from: Party;
  readonly receipt: 'delivered' | 'read';
  readonly messageIds: readonly MessageId[];
  readonly at: number;
}

/** What becomes of a message that this device sends. */
export interface StatusChange {
  readonly id: MessageId;
  readonly peer: UserId;
  /** `waiting`: not delivered yet because of `error`, and tried again by itself. */
  readonly status: 'waiting' | 'stored' | 'failed';
  readonly error?: EdgeClientError;
}

export interface HistoryOptions {
  /** Only what comes before this message in the order of the conversation. */
  readonly before?: Pick<ChatMessage, 'clock' | 'from' | 'id'>;
  /** @default 50 */
  readonly limit?: number;
}

/** The signed payload without the text: ids, names, times. */
const MAX_TEXT_JSON_BYTES = LIMITS.maxSignedPayloadBytes - 1536;
/** How far back `markRead` without a list looks. */
const MARK_READ_WINDOW = 1000;

/**
 * Messages with users, one to one: kept before they are sent, sealed for each device, delivered over an open session or by
 * way of the mailbox, and handed to the app once, in an order that is the same on all devices.
 *
 * @example
 * ```ts
 * client.messages.on('message', async ({ peer, text }) => { await show(peer, text); });
 * const sent = await client.messages.send(bob.userId, 'Hello');
 * await sent.delivered;
 * ```
 */
export class Messages {
  readonly requests: MessageRequests;
  readonly #context: MessagesContext;
  readonly #book: MessageBook;
  readonly #events = new TypedEvents<QuietEvents>();
  readonly #sent = new SentTracker();
  readonly #streams = new Set<MessageStream>();
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #mailbox: Mailbox;
  readonly #receipts: Receipts;
  #isClosed = false;

  private constructor(context: MessagesContext, book: MessageBook, contacts: ContactChanges) {
    this.#context = context;
    this.#book = book;
    this.#inbox = new Inbox(context, book, {
      arrived: (message) => this.#delivery.add(message),
      requested: (message) => this.#events.emit('request', this.#toChat(message)),
      receipt: (news) => this.#tellReceipt(news),
    });
    this.#outbox = new Outbox(context, book, {
      waiting: (entry, error) => this.#tellStatus(entry, 'waiting', error),
      stored: (entry, at) => {
        this.#sent.stored(entry.messageId, at);
        this.#tellStatus(entry, 'stored');
      },
      failed: (entry, error) => {
        this.#sent.failed(entry.messageId, error);
        this.#tellStatus(entry, 'failed', error);
      },
    });
    this.#delivery = new Delivery(context, {
      acknowledge: (message) => this.#inbox.acknowledge(message),
      acknowledged: (key) => {
        this.#mailbox.settle(key);
        this.#receipts.flushSoon();
      },
      failed: (message, thrown) => {
        if (thrown instanceof MessageStreamLeft) return;
        this.#events.emit('delivery-failed', { message: this.#toChat(message), thrown });
      },
    });
    this.#mailbox = new Mailbox(context, book, this.#inbox, (continuity) =>
      this.#events.emit('catch-up', { continuity }),
    );
    this.#receipts = new Receipts(context, book, (entry) => this.#outbox.add(entry));
    this.requests = new MessageRequests(context, book, this.#inbox, contacts, (messages) => {
      for (const message of messages) this.#delivery.add(message);
    });
  }

  /** @throws EDGE_MESSAGES_CORRUPTED, EDGE_MESSAGES_NEWER, EDGE_MESSAGES_UNUSABLE */
  static async open(
    context: MessagesContext,
    store: MessageStore,
    contacts: ContactChanges,
  ): Promise<Messages> {
    const book = await MessageBook.open(store);
    await book.forgetOld(context.now());
    const messages = new Messages(context, book, contacts);
    messages.#delivery.restore(await messages.#inbox.restore());
    return messages;
  }

  /** Whether everything that was sent while this device was away has been read. */
  get catchUp(): CatchUp {
    return this.#mailbox.catchUp;
  }

  /** Returns the function that takes the listener off again. */
  on<Name extends keyof MessageEvents>(
    name: Name,
    listener: (event: MessageEvents[Name]) => unknown,
  ): () => void {
    if (name === 'message') return this.#handle(listener as (message: ReceivedMessage) => unknown);
    return this.#events.on(name, listener as (event: QuietEvents[QuietEvent]) => void);
  }

  /** Messages for a `for await` loop; asking for the next one acknowledges the one before. */
  stream(): AsyncIterableIterator<ReceivedMessage, undefined> {
    const stream = new MessageStream((handler) => this.#handle(handler));
    this.#streams.add(stream);
    return stream;
  }

  /**
   * Keeps the message and begins to deliver it; works offline too. Resolves when it would survive a crash.
   *
   * @throws EDGE_OPTIONS_INVALID, EDGE_MESSAGE_TOO_LARGE, EDGE_NOT_REGISTERED, EDGE_MESSAGES_UNUSABLE, EDGE_CLIENT_CLOSED
   */
  async send(to: UserId, text: string): Promise<SentMessage> {
    if (this.#isClosed) throw edgeError('EDGE_CLIENT_CLOSED');
    checkText(text);
    const { tenant, self, newId, now } = this.#context;
    const from = self();
    const conversation = conversationIdOf(tenant, from.userId, to);
    const content = { kind: 'text' as const, text };
    const common = {
      conversation,
      messageId: newId(),
      sentAt: now(),
      clock: this.#book.nextClock(conversation),
    };
    const entry: OutboxEntry = { ...common, peer: to, content };
    const message: StoredMessage = {
      ...common,
      ...{ from, peer: to, content, state: 'sending', storedAt: null, receipts: {}, isRead: false },
    };
    await this.#book.commit([
      { table: 'messages', value: message },
      outboxRow(entry),
      this.#book.clockRow(conversation),
    ]);
    const sent = this.#sent.track(entry.messageId, conversation);
    this.#outbox.add(entry);
    return sent;
  }

  /** The newest messages with a user, oldest of them first. */
  async history(
    peer: UserId,
    { before, limit = 50 }: HistoryOptions = {},
  ): Promise<readonly HistoryMessage[]> {
    const self = this.#context.self().userId;
    const messages = await this.#book.history(this.#conversationWith(peer), {
      limit,
      where: isShownState,
      before: before && { clock: before.clock, deviceId: before.from.deviceId, messageId: before.id },
    });
    return messages.map((message) => toHistoryMessage(message, self));
  }

  /**
   * The user has seen these messages of the peer (default: all that the app has). The peer gets to know, as far as our
   * visibility allows, and our other devices.
   */
  async markRead(peer: UserId, messages?: readonly Pick<ChatMessage, 'id' | 'from'>[]): Promise<void> {
    const keys = messages
      ? messages.map(({ id, from }) => messageKey(from.deviceId, id))
      : (await this.#unread(peer)).map(keyOfMessage);
    const isUnread = (message: StoredMessage) =>
      message.peer === peer && message.from.userId === peer && isWithApp(message.state) && !message.isRead;
    const found = await Promise.all(keys.map((key) => this.#book.find(key)));
    const unread = found.filter((message) => message !== undefined).filter(isUnread);
    await this.#book.change(
      unread.map(keyOfMessage),
      (message) => (isUnread(message) ? { ...message, isRead: true } : undefined),
      unread.map(({ messageId }) => dueReceiptRow({ peer, messageId, receipt: 'read' })),
    );
    this.#receipts.flushSoon();
  }

  /** Client only: signed in or resumed. */
  online(): void {
    this.#mailbox.online();
    this.#outbox.online();
    this.#receipts.begin();
  }

  /** Client only: the connection is gone. */
  offline(): void {
    this.#mailbox.offline();
  }

  /** Client only: copies from the supernode. */
  arrived(items: readonly MailboxItem[]): void {
    this.#mailbox.arrived(items);
  }

  /** Client only: a copy over a session; true when its sender may forget it. */
  async take(copy: IncomingCopy): Promise<boolean> {
    const [outcome] = await this.#inbox.take([copy]);
    return outcome !== 'held';
  }

  /** Client only: one more session can carry messages. */
  roadOpened(): void {
    this.#outbox.wake();
  }

  /** Client only: a user has become a contact, or the own visibility has changed. */
  relationsChanged(contact?: UserId): void {
    // A failure leaves the messages in the request box, where the app still sees them.
    if (contact) this.requests.release(contact).catch(() => undefined);
    this.#receipts.flushSoon();
  }

  /** Client only. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#outbox.close();
    this.#delivery.close();
    this.#mailbox.close();
    this.#receipts.close();
    for (const stream of this.#streams) stream.end();
    this.#sent.close(edgeError('EDGE_CLIENT_CLOSED'));
    this.#events.clear();
    await this.#inbox.idle();
    await this.#book.close();
  }

  #handle(handler: (message: ReceivedMessage) => unknown): () => void {
    return this.#delivery.handle((message, isRedelivery) =>
      handler({ ...this.#toChat(message), isRedelivery }),
    );
  }

  #unread(peer: UserId): Promise<readonly StoredMessage[]> {
    return this.#book.history(this.#conversationWith(peer), {
      limit: MARK_READ_WINDOW,
      where: isWithApp,
    });
  }

  #tellReceipt({ from, peer, receipt, messages, at }: ReceiptNews): void {
    if (from.userId === peer) {
      for (const { messageId } of messages)
        this.#sent.receipt(messageId, receipt, { deviceId: from.deviceId, at });
    }
    const messageIds = messages.map(({ messageId }) => messageId);
    this.#events.emit('receipt', { peer, from, receipt, messageIds, at });
  }

  #tellStatus(entry: OutboxEntry, status: StatusChange['status'], error?: EdgeClientError): void {
    if (entry.content.kind !== 'text') return;
    this.#events.emit('status', {
      id: entry.messageId,
      peer: entry.peer,
      status,
      ...(error ? { error } : {}),
    });
  }

  #toChat(message: StoredMessage): ChatMessage {
    return toChatMessage(message, this.#context.self().userId);
  }

  #conversationWith(peer: UserId): ConversationId {
    return conversationIdOf(this.#context.tenant, this.#context.self().userId, peer);
  }
}

/** Handed to the app, whether or not it has acknowledged it yet. */
function isWithApp(state: StoredMessage['state']): boolean {
  return state === 'done' || state === 'arrived';
}

function checkText(text: string): void {
  if (text.length === 0)
    throw edgeError('EDGE_OPTIONS_INVALID', { message: 'A message has at least one character.' });
  const bytes = new TextEncoder().encode(JSON.stringify(text)).length;
  if (text.length > LIMITS.maxMessageTextLength || bytes > MAX_TEXT_JSON_BYTES) {
    throw edgeError('EDGE_MESSAGE_TOO_LARGE');
  }
}
