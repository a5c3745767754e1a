import type { Contact, UserId } from '@parley/protocol';
import { toChatMessage, type ChatMessage } from './chat-message.ts';
import type { Inbox } from './inbox.ts';
import type { MessageBook } from './message-book.ts';
import type { MessagesContext } from './messages-context.ts';
import { compareOrder, orderKeyOf, type StoredMessage } from './stored-message.ts';

/** The contact changes that answers to a request make. */
export interface ContactChanges {
  get(userId: UserId): Contact | undefined;
  request(userId: UserId): Promise<unknown>;
  accept(userId: UserId): Promise<unknown>;
  block(userId: UserId): Promise<unknown>;
}

/** Messages of users who are no contacts. Their senders get no receipt until they are accepted. */
export class MessageRequests {
  readonly #context: MessagesContext;
  readonly #book: MessageBook;
  readonly #inbox: Inbox;
  readonly #contacts: ContactChanges;
  readonly #released: (messages: readonly StoredMessage[]) => void;

  constructor(
    context: MessagesContext,
    book: MessageBook,
    inbox: Inbox,
    contacts: ContactChanges,
    released: (messages: readonly StoredMessage[]) => void,
  ) {
    this.#context = context;
    this.#book = book;
    this.#inbox = inbox;
    this.#contacts = contacts;
    this.#released = released;
  }

  /** What waits for an answer, in the order of each conversation. */
  async list(): Promise<readonly ChatMessage[]> {
    const found = await Promise.all(this.#inbox.requests().map((key) => this.#book.find(key)));
    const self = this.#context.self().userId;
    return found
      .filter((message) => message !== undefined)
      .sort((a, b) => compareOrder(orderKeyOf(a), orderKeyOf(b)))
      .map((message) => toChatMessage(message, self));
  }

  /** Makes the user a contact (or asks to), and hands the messages to the `message` handler. @throws CONTACT_LIMIT, … */
  async accept(userId: UserId): Promise<void> {
    const state = this.#contacts.get(userId)?.state;
    if (state === 'pending-in') await this.#contacts.accept(userId);
    else if (state !== 'accepted') await this.#contacts.request(userId);
    await this.release(userId);
  }

  /** Takes the messages out of the box, unread. The user is not told, and may write again. */
  async decline(userId: UserId): Promise<void> {
    await this.#inbox.releaseRequests(userId, 'declined');
  }

  /** As {@link decline}; and from now on nothing of this user arrives. */
  async block(userId: UserId): Promise<void> {
    await this.#contacts.block(userId);
    await this.decline(userId);
  }

  /** The user has become a contact, here or on another device. */
  async release(userId: UserId): Promise<void> {
    this.#released(await this.#inbox.releaseRequests(userId, 'arrived'));
  }
}
