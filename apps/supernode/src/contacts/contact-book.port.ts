import type { Contact, TenantId, UserId } from '@parley/protocol';
import type { Side, Sides } from './contact-transitions.ts';

/** Both sides after a change, and what each user's own list now says of the other. */
export interface ContactChange {
  readonly before: Sides;
  readonly after: Sides;
  readonly mine: Contact | null;
  readonly theirs: Contact | null;
}

export interface DeviceListVersion {
  readonly userId: UserId;
  readonly version: number;
}

/** Durable, consistent storage of contacts: refused when the store is out of reach, never guessed. */
export interface ContactBook {
  list(tenant: TenantId, owner: UserId): Promise<readonly Contact[]>;
  /** The owner's side towards each of `peers` and theirs towards the owner; users without rows are left out. */
  relations(tenant: TenantId, owner: UserId, peers: readonly UserId[]): Promise<ReadonlyMap<UserId, Sides>>;
  countOf(tenant: TenantId, owner: UserId, states: readonly Side[]): Promise<number>;
  /** Users whose list has `user` as accepted while `user` has them accepted too; of `among` where that is given. */
  mutualContacts(tenant: TenantId, user: UserId, among?: readonly UserId[]): Promise<readonly UserId[]>;
  /** Of every user whom the owner has accepted, the newest version of the device list. */
  deviceListVersions(tenant: TenantId, owner: UserId): Promise<readonly DeviceListVersion[]>;
  /**
   * Reads both sides, lets `decide` choose, writes both: atomic against every other change of the same pair. `no-account`
   * when there is no such peer, `refused` when `decide` gives undefined.
   */
  change(
    tenant: TenantId,
    owner: UserId,
    peer: UserId,
    decide: (sides: Sides) => Sides | undefined,
  ): Promise<ContactChange | 'no-account' | 'refused'>;
}

export const CONTACT_BOOK = Symbol('ContactBook');
