import type { DeviceId, Handle, Signed, TenantId, UserId } from '@parley/protocol';
import type { UserAddress } from './connection-context.ts';
import type { KnownDeviceList, VerifiedDeviceList } from './device-list-chain.ts';

/** A user as identity needs it. */
export interface Account extends UserAddress {
  readonly handle: Handle | null;
  readonly status: 'active' | 'suspended' | 'deleted';
  /** The newest device list; undefined for a user that has none yet. */
  readonly latest: KnownDeviceList | undefined;
  /** Devices that were in the list once and were removed. */
  readonly removedDevices: ReadonlySet<DeviceId>;
}

/** What a new account begins with. */
export interface AccountDraft {
  readonly handle: Handle | undefined;
  readonly displayName: string | undefined;
}

/**
 * How a write ended. `exists`: the user has a first list already. `conflict`: another version was committed first.
 * `device-elsewhere`: a device of the list is active in another account of the tenant.
 */
export type CommitOutcome = 'committed' | 'exists' | 'conflict' | 'handle-taken' | 'device-elsewhere';

/** The durable side of accounts: every write is one transaction, versions are changed by compare-and-set. */
export interface AccountStore {
  find(user: UserAddress): Promise<Account | undefined>;
  /** Writes a user without a device list, where there is none: the first sign-in with a token of the app's backend. */
  ensureUser(user: UserAddress): Promise<void>;
  /** Writes the first list with handle and display name; the user may exist without a list. */
  create(verified: VerifiedDeviceList, draft: AccountDraft): Promise<CommitOutcome>;
  /** Writes the version after the one that `verified` names as previous. */
  append(verified: VerifiedDeviceList, signerDevice: DeviceId | undefined): Promise<CommitOutcome>;
  /** Versions after `sinceVersion`, oldest first, `limit` at most; undefined when the user has no list. */
  listsAfter(user: UserAddress, sinceVersion: number, limit: number): Promise<readonly Signed[] | undefined>;
  /** Notes when devices were here last; what is noted already and later stays. */
  touchDevices(visits: readonly DeviceVisit[]): Promise<void>;
}

export interface DeviceVisit {
  readonly tenant: TenantId;
  readonly deviceId: DeviceId;
  readonly at: Date;
}

export const ACCOUNT_STORE = Symbol('AccountStore');

/** First use of a token that names no device binds it to the key that used it. */
export interface TokenBindings {
  /** The key that the token is bound to: `deviceKey`, unless another was first. */
  bind(binding: TokenBindingDraft): Promise<string>;
  deleteExpired(now: Date): Promise<number>;
}

export interface TokenBindingDraft {
  readonly tenant: TenantId;
  readonly userId: UserId;
  readonly tokenHash: string;
  /** Base64url of the raw key. */
  readonly deviceKey: string;
  readonly expiresAt: Date;
}

export const TOKEN_BINDINGS = Symbol('TokenBindings');
