import { Inject, Injectable } from '@nestjs/common';
import { LIMITS, type RequestOf, type ResponseOf, type TenantId, type UserId } from '@parley/protocol';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { CONTACT_BOOK, type ContactBook, type ContactChange } from './contact-book.port.ts';
import { isMutual } from './contact-relation.ts';
import { contactTransition, type ContactAction } from './contact-transitions.ts';

/** Told when two users begin or cease to be entitled to see each other. */
export type RelationListener = (tenant: TenantId, a: UserId, b: UserId, mutual: boolean) => void;

/** Told when `blocker` begins to block `blocked`. */
export type BlockListener = (tenant: TenantId, blocker: UserId, blocked: UserId) => void;

type OneUser = RequestOf<'contacts.request'>;
type Changed = ResponseOf<'contacts.request'>;

/** Contacts: request, accept, remove, block. Both users' devices learn of a change, as far as each may know of it. */
@Injectable()
export class ContactsService {
  private readonly listeners: RelationListener[] = [];
  private readonly blockListeners: BlockListener[] = [];

  constructor(
    @Inject(CONTACT_BOOK) private readonly book: ContactBook,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
  ) {}

  onRelationChanged(listener: RelationListener): void {
    this.listeners.push(listener);
  }

  onBlocked(listener: BlockListener): void {
    this.blockListeners.push(listener);
  }

  async list(caller: Caller, _request: RequestOf<'contacts.list'>): Promise<ResponseOf<'contacts.list'>> {
    const { tenant, userId } = caller;
    // The versions first: one that changes between the two questions is announced, an older one is only asked for again.
    const deviceLists = await this.book.deviceListVersions(tenant, userId);
    return { contacts: [...(await this.book.list(tenant, userId))], deviceLists: [...deviceLists] };
  }

  async request(caller: Caller, request: OneUser): Promise<Changed> {
    const { tenant, userId } = caller;
    const [outgoing, accepted, incoming] = await Promise.all([
      this.book.countOf(tenant, userId, ['pending-out']),
      this.book.countOf(tenant, userId, ['accepted', 'blocked']),
      this.book.countOf(tenant, request.userId, ['pending-in']),
    ]);
    const full =
      outgoing >= LIMITS.maxPendingContactRequests ||
      accepted >= LIMITS.maxContactsPerUser ||
      incoming >= LIMITS.maxPendingContactRequests;
    if (full) throw new Refusal('CONTACT_LIMIT');
    return this.act('request', caller, request.userId);
  }

  async accept(caller: Caller, request: OneUser): Promise<Changed> {
    const accepted = await this.book.countOf(caller.tenant, caller.userId, ['accepted', 'blocked']);
    if (accepted >= LIMITS.maxContactsPerUser) throw new Refusal('CONTACT_LIMIT');
    return this.act('accept', caller, request.userId);
  }

  async remove(caller: Caller, request: OneUser): Promise<Changed> {
    return this.act('remove', caller, request.userId);
  }

  async block(caller: Caller, request: OneUser): Promise<Changed> {
    const kept = await this.book.countOf(caller.tenant, caller.userId, ['accepted', 'blocked']);
    if (kept >= LIMITS.maxContactsPerUser) throw new Refusal('CONTACT_LIMIT');
    return this.act('block', caller, request.userId);
  }

  async unblock(caller: Caller, request: OneUser): Promise<Changed> {
    return this.act('unblock', caller, request.userId);
  }

  private async act(action: ContactAction, caller: Caller, peer: UserId): Promise<Changed> {
    const { tenant, userId } = caller;
    if (peer === userId) throw new Refusal('BAD_REQUEST', 'A user is no contact of their own.');
    const change = await this.book.change(tenant, userId, peer, (sides) => contactTransition(action, sides));
    if (change === 'refused')
      throw new Refusal('CONFLICT', 'The contact is not in a state that allows this.');
    if (change === 'no-account') throw new Refusal('NOT_FOUND');
    this.announce(caller, peer, change);
    return { contact: change.mine };
  }

  private announce(caller: Caller, peer: UserId, change: ContactChange): void {
    const { tenant, userId, deviceId } = caller;
    if (change.before.mine !== change.after.mine) {
      this.notifier.notifyUser(
        tenant,
        userId,
        'contacts.changed',
        { userId: peer, contact: change.mine },
        deviceId,
      );
    }
    if (change.before.theirs !== change.after.theirs) {
      this.notifier.notifyUser(tenant, peer, 'contacts.changed', { userId, contact: change.theirs });
    }
    if (change.after.mine === 'blocked' && change.before.mine !== 'blocked') {
      for (const listener of this.blockListeners) listener(tenant, userId, peer);
    }
    const mutual = isMutual(change.after);
    if (mutual !== isMutual(change.before)) {
      for (const listener of this.listeners) listener(tenant, userId, peer, mutual);
    }
  }
}
