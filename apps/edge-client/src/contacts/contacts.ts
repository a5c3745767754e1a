import type { Contact, ResponseOf, UserId } from '@parley/protocol';
import { TypedEvents } from '../client/typed-events.ts';
import type { SendRequest, Signalling } from '../signalling/signalling.ts';

interface DeviceListVersion {
  readonly userId: UserId;
  readonly version: number;
}

interface ContactEvents {
  /** `contact` undefined: the user is no longer in the list. */
  readonly change: { readonly userId: UserId; readonly contact: Contact | undefined };
}

/** The user's contact list, kept up to date while the client is online. */
export class Contacts {
  readonly #signalling: Signalling;
  readonly #events = new TypedEvents<ContactEvents>();
  readonly #contacts = new Map<UserId, Contact>();

  constructor(signalling: Signalling) {
    this.#signalling = signalling;
    signalling.onEvent('contacts.changed', ({ userId, contact }) => this.#apply(userId, contact));
  }

  on(name: 'change', listener: (event: ContactEvents['change']) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** As last told by the supernode. */
  list(): readonly Contact[] {
    return [...this.#contacts.values()];
  }

  get(userId: UserId): Contact | undefined {
    return this.#contacts.get(userId);
  }

  /** Whether both sides have agreed. */
  isAccepted(userId: UserId): boolean {
    return this.#contacts.get(userId)?.state === 'accepted';
  }

  /** Asks a user to become a contact. Answers alike whether or not that user has blocked us. @throws CONTACT_LIMIT */
  request(userId: UserId): Promise<Contact | undefined> {
    return this.#change('contacts.request', userId);
  }

  /** @throws NOT_FOUND */
  accept(userId: UserId): Promise<Contact | undefined> {
    return this.#change('contacts.accept', userId);
  }

  /** Withdraws a request, declines one, or ends a contact, on both sides. */
  remove(userId: UserId): Promise<Contact | undefined> {
    return this.#change('contacts.remove', userId);
  }

  /** From now on we are offline to that user, who is not told. */
  block(userId: UserId): Promise<Contact | undefined> {
    return this.#change('contacts.block', userId);
  }

  unblock(userId: UserId): Promise<Contact | undefined> {
    return this.#change('contacts.unblock', userId);
  }

  /** Reads the list anew and tells what differs. Returns the newest versions of the accepted contacts' device lists. */
  async resync(request: SendRequest): Promise<readonly DeviceListVersion[]> {
    const { contacts, deviceLists = [] } = await request('contacts.list', {});
    const listed = new Map(contacts.map((contact) => [contact.userId, contact]));
    for (const userId of this.#contacts.keys()) if (!listed.has(userId)) this.#apply(userId, null);
    for (const [userId, contact] of listed) this.#apply(userId, contact);
    return deviceLists.filter(({ userId }) => this.isAccepted(userId));
  }

  async #change(
    name: `contacts.${'request' | 'accept' | 'remove' | 'block' | 'unblock'}`,
    userId: UserId,
  ): Promise<Contact | undefined> {
    const { contact }: ResponseOf<'contacts.request'> = await this.#signalling.request(name, { userId });
    this.#apply(userId, contact);
    return contact ?? undefined;
  }

  #apply(userId: UserId, contact: Contact | null): void {
    const known = this.#contacts.get(userId);
    if (contact === null ? !known : JSON.stringify(contact) === JSON.stringify(known)) return;
    if (contact) this.#contacts.set(userId, contact);
    else this.#contacts.delete(userId);
    this.#events.emit('change', { userId, contact: contact ?? undefined });
  }
}
