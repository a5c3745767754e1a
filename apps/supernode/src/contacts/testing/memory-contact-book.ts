import type { Contact, TenantId, UserId } from '@parley/protocol';
import type { ContactBook, ContactChange, DeviceListVersion } from '../contact-book.port.ts';
import { isMutual } from '../contact-relation.ts';
import type { Side, Sides } from '../contact-transitions.ts';

/** Contacts in memory, for tests of what stands on them. Every user counts as an account unless listed as absent. */
export class MemoryContactBook implements ContactBook {
  private readonly sides = new Map<string, Side>();
  readonly absent = new Set<UserId>();
  /** Users without an entry have version 1. */
  readonly listVersions = new Map<UserId, number>();

  befriend(tenant: TenantId, a: UserId, b: UserId): void {
    this.setSide(tenant, a, b, 'accepted');
    this.setSide(tenant, b, a, 'accepted');
  }

  setSide(tenant: TenantId, owner: UserId, peer: UserId, side: Side): void {
    if (side === 'none') this.sides.delete([tenant, owner, peer].join(' '));
    else this.sides.set([tenant, owner, peer].join(' '), side);
  }

  list(tenant: TenantId, owner: UserId): Promise<readonly Contact[]> {
    const own = [...this.sides.keys()]
      .map((key) => key.split(' '))
      .filter(([t, o]) => t === tenant && o === owner);
    return Promise.resolve(own.map(([, , peer]) => this.contact(tenant, owner, peer as UserId)!));
  }

  relations(tenant: TenantId, owner: UserId, peers: readonly UserId[]): Promise<ReadonlyMap<UserId, Sides>> {
    return Promise.resolve(new Map(peers.map((peer) => [peer, this.both(tenant, owner, peer)])));
  }

  async countOf(tenant: TenantId, owner: UserId, states: readonly Side[]): Promise<number> {
    return (await this.list(tenant, owner)).filter((contact) => states.includes(contact.state)).length;
  }

  async mutualContacts(
    tenant: TenantId,
    user: UserId,
    among?: readonly UserId[],
  ): Promise<readonly UserId[]> {
    const contacts = await this.list(tenant, user);
    return contacts
      .map((contact) => contact.userId)
      .filter((peer) => among?.includes(peer) ?? true)
      .filter((peer) => isMutual(this.both(tenant, user, peer)));
  }

  async deviceListVersions(tenant: TenantId, owner: UserId): Promise<readonly DeviceListVersion[]> {
    const contacts = await this.list(tenant, owner);
    return contacts
      .filter(({ state }) => state === 'accepted')
      .map(({ userId }) => ({ userId, version: this.listVersions.get(userId) ?? 1 }));
  }

  change(
    tenant: TenantId,
    owner: UserId,
    peer: UserId,
    decide: (sides: Sides) => Sides | undefined,
  ): Promise<ContactChange | 'no-account' | 'refused'> {
    if (this.absent.has(peer)) return Promise.resolve('no-account');
    const before = this.both(tenant, owner, peer);
    const after = decide(before);
    if (!after) return Promise.resolve('refused');
    this.setSide(tenant, owner, peer, after.mine);
    this.setSide(tenant, peer, owner, after.theirs);
    const mine = this.contact(tenant, owner, peer);
    return Promise.resolve({ before, after, mine, theirs: this.contact(tenant, peer, owner) });
  }

  private side(tenant: TenantId, owner: UserId, peer: UserId): Side {
    return this.sides.get([tenant, owner, peer].join(' ')) ?? 'none';
  }

  private both(tenant: TenantId, owner: UserId, peer: UserId): Sides {
    return { mine: this.side(tenant, owner, peer), theirs: this.side(tenant, peer, owner) };
  }

  private contact(tenant: TenantId, owner: UserId, peer: UserId): Contact | null {
    const state = this.side(tenant, owner, peer);
    return state === 'none' ? null : { userId: peer, handle: null, displayName: null, state, since: 0 };
  }
}
