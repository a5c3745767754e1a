import type { UserId } from '@parley/protocol';
import type { DeviceTrust } from '../identity/device-trust.ts';
import type { Identity } from '../identity/identity.ts';
import type { Signalling } from '../signalling/signalling.ts';
import type { Contacts } from './contacts.ts';

/**
 * Verifies and pins the devices of every new contact at once: a ghost device is noticed on the day that it appears, not on
 * the day of the first call, and that call needs no question first. One user at a time, so that a long contact list does
 * not use up the rate of requests.
 */
export class ContactPinning {
  readonly #identity: Identity;
  readonly #trust: DeviceTrust;
  readonly #signalling: Signalling;
  readonly #waiting = new Set<UserId>();
  #isRunning = false;

  constructor(contacts: Contacts, identity: Identity, trust: DeviceTrust, signalling: Signalling) {
    this.#identity = identity;
    this.#trust = trust;
    this.#signalling = signalling;
    contacts.on('change', ({ userId, contact }) => {
      if (contact?.state === 'accepted' && !identity.pinOf(userId)) this.#waiting.add(userId);
      else this.#waiting.delete(userId);
      void this.run();
    });
  }

  /** Works the list off while the client is online; called again when it is. */
  async run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const tried = new Set<UserId>();
    for (let userId = this.#next(tried); userId !== undefined; userId = this.#next(tried)) {
      tried.add(userId);
      // A refused list raises the alert of DeviceTrust; who could not be asked is asked when the client is online again.
      await this.#trust.refresh(userId, this.#signalling.request).catch(() => undefined);
      if (this.#identity.pinOf(userId)) this.#waiting.delete(userId);
    }
    this.#isRunning = false;
  }

  #next(tried: ReadonlySet<UserId>): UserId | undefined {
    if (!this.#signalling.isOnline) return undefined;
    return [...this.#waiting].find((userId) => !this.#identity.pinOf(userId) && !tried.has(userId));
  }
}
