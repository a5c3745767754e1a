import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId, UserId } from '@parley/protocol';
import { CONTACT_BOOK, type ContactBook } from '../contacts/contact-book.port.ts';
import { isMutual } from '../contacts/contact-relation.ts';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import type { Caller } from '../identity/caller.ts';
import { coalesce } from '../presence/coalesce.ts';
import { PRESENCE_STORE, type PresenceStore } from '../presence/presence-store.port.ts';

export interface Reach {
  /** Devices that an offer of this caller may be shown on now. */
  readonly devices: readonly DeviceId[];
  readonly areContacts: boolean;
  readonly callerKnowsCallee: boolean;
}

/** On which devices of a user a caller's offer may appear: none for who is blocked, and none of who hides. */
@Injectable()
export class CalleeReach {
  constructor(
    @Inject(CONTACT_BOOK) private readonly contacts: ContactBook,
    @Inject(PRESENCE_STORE) private readonly presence: PresenceStore,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
  ) {}

  async of(caller: Caller, callee: UserId): Promise<Reach> {
    const { tenant, userId } = caller;
    if (callee === userId) {
      return {
        devices: this.notifier.connectedDevices(tenant, callee),
        areContacts: true,
        callerKnowsCallee: true,
      };
    }
    const [relations, devices] = await Promise.all([
      this.contacts.relations(tenant, userId, [callee]),
      this.presence.devicesOf(tenant, callee),
    ]);
    const sides = relations.get(callee);
    const isShown =
      sides?.theirs !== 'blocked' && sides?.mine !== 'blocked' && coalesce(devices).state !== 'invisible';
    return {
      devices: isShown ? this.notifier.connectedDevices(tenant, callee) : [],
      areContacts: isMutual(sides),
      callerKnowsCallee: sides?.mine === 'accepted',
    };
  }
}
