import { type DeviceId, type Handle, type Signed, type TenantId, type UserId } from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { edgeError } from '../errors.ts';
import type { DeviceListPin } from './device-list-chain.ts';
import {
  hostsDocumentSchema,
  type AccountRecord,
  type HostsDocument,
  type IdentityDocument,
} from './identity-format.ts';
import type { IdentityStore } from './identity-store.ts';
import { deviceIdOf, generateKeyPair, importKeyPair, type KeyPair } from './keys.ts';

/** The account of this device. */
export interface Account {
  readonly userId: UserId;
  readonly handle: Handle | null;
  readonly pin: DeviceListPin;
  readonly token: AccountRecord['token'];
}

/** A list that makes or recovers an account, until it is known that the supernode has committed it. */
export interface AccountDraft {
  readonly userId: UserId;
  readonly signed: Signed;
  readonly pin: DeviceListPin;
  readonly recoveryCode: string;
}

export interface IdentityOptions {
  readonly tenant: TenantId;
  readonly deviceName: string;
  readonly clock: ClientClock;
}

/** This device: its keys, its account, and what it has verified of others; every change is saved before it counts. */
export class Identity {
  readonly tenant: TenantId;
  readonly deviceId: DeviceId;
  readonly deviceKey: KeyPair;
  readonly agreementKey: KeyPair;
  readonly #store: IdentityStore;
  #document: IdentityDocument;
  #pins: Readonly<Record<string, DeviceListPin>>;
  /** The host cache was damaged, unreadable or newer than this SDK: it begins anew. */
  readonly hasLostHosts: boolean;
  #hosts: HostsDocument;

  private constructor(
    store: IdentityStore,
    document: IdentityDocument,
    pins: Readonly<Record<string, DeviceListPin>>,
    hosts: HostsDocument | undefined,
  ) {
    this.#store = store;
    this.#document = document;
    this.#pins = pins;
    this.hasLostHosts = hosts === undefined;
    this.#hosts = hosts ?? NO_HOSTS;
    this.tenant = document.tenant;
    this.deviceKey = importKeyPair('Ed25519', document.deviceKey);
    this.agreementKey = importKeyPair('X25519', document.agreementKey);
    this.deviceId = deviceIdOf(this.deviceKey.publicKey);
  }

  /**
   * Loads the identity, or makes a device where the store is empty.
   *
   * @throws EDGE_IDENTITY_CORRUPTED, EDGE_IDENTITY_NEWER, EDGE_IDENTITY_MISMATCH
   */
  static async open(store: IdentityStore, options: IdentityOptions): Promise<Identity> {
    // Both first: a damaged one must stop the start before anything is written.
    const [stored, pins] = [await store.load('identity'), await store.load('pins')];
    const hosts = await loadHosts(store);
    const document = stored ?? newDevice(options);
    if (document.tenant !== options.tenant) throw edgeError('EDGE_IDENTITY_MISMATCH');
    const identity = new Identity(store, document, pins?.pins ?? {}, hosts);
    if (identity.deviceId !== document.deviceId) throw edgeError('EDGE_IDENTITY_CORRUPTED');
    if (!stored) await store.save('identity', document);
    return identity;
  }

  get deviceName(): string {
    return this.#document.deviceName;
  }

  get account(): Account | undefined {
    return this.#document.account ?? undefined;
  }

  /** What was sent and perhaps committed: it is sent again as it is, a second list would be refused. */
  get draft(): AccountDraft | undefined {
    return this.#document.draft;
  }

  get hosts(): HostsDocument {
    return this.#hosts;
  }

  /** @throws EDGE_NOT_REGISTERED */
  requireAccount(): Account {
    if (!this.account) throw edgeError('EDGE_NOT_REGISTERED');
    return this.account;
  }

  async setDraft({ userId, signed, pin, recoveryCode }: AccountDraft): Promise<void> {
    await this.#replace({ ...this.#document, draft: { userId, signed, pin: copyPin(pin), recoveryCode } });
  }

  /** A draft has served its purpose with it, and its recovery code is forgotten. */
  async setAccount(account: Account): Promise<void> {
    const { draft: _, ...document } = this.#document;
    await this.#replace({ ...document, account: { ...account, pin: copyPin(account.pin) } });
  }

  async updateAccount(change: Partial<Pick<Account, 'handle' | 'pin' | 'token'>>): Promise<void> {
    await this.setAccount({ ...this.requireAccount(), ...change });
  }

  pinOf(userId: UserId): DeviceListPin | undefined {
    if (userId === this.account?.userId) return this.account.pin;
    return Object.hasOwn(this.#pins, userId) ? this.#pins[userId] : undefined;
  }

  async setPin(userId: UserId, pin: DeviceListPin): Promise<void> {
    if (userId === this.account?.userId) return this.updateAccount({ pin });
    await this.#savePins({ ...this.#pins, [userId]: pin });
  }

  /** The app accepted that the user has a new account key: trust begins anew. */
  async forgetPin(userId: UserId): Promise<void> {
    await this.#savePins(Object.fromEntries(Object.entries(this.#pins).filter(([id]) => id !== userId)));
  }

  async updateHosts(change: Partial<HostsDocument>): Promise<void> {
    // In memory first: changes that are under way at the same time must not undo each other.
    this.#hosts = { ...this.#hosts, ...change };
    await this.#store.save('hosts', this.#hosts);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #savePins(pins: Readonly<Record<string, DeviceListPin>>): Promise<void> {
    // In memory first: two users pinned at the same time must not undo each other.
    this.#pins = pins;
    await this.#store.save('pins', {
      pins: Object.fromEntries(Object.entries(pins).map(([userId, pin]) => [userId, copyPin(pin)])),
    });
  }

  async #replace(document: IdentityDocument): Promise<void> {
    await this.#store.save('identity', document);
    this.#document = document;
  }
}

const NO_HOSTS: HostsDocument = {
  clusterId: null,
  alternates: [],
  homes: null,
  rosterKeys: [],
  rosterEpoch: 0,
};

/** Undefined where it can't be read: it is a cache, and no reason not to start. What it pinned is pinned anew then. */
async function loadHosts(store: IdentityStore): Promise<HostsDocument | undefined> {
  try {
    const parsed = hostsDocumentSchema.safeParse((await store.load('hosts')) ?? NO_HOSTS);
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // told by hasLostHosts
  }
}

function newDevice(options: IdentityOptions): IdentityDocument {
  const deviceKey = generateKeyPair('Ed25519');
  return {
    tenant: options.tenant,
    deviceId: deviceIdOf(importKeyPair('Ed25519', deviceKey).publicKey),
    deviceName: options.deviceName,
    deviceKey,
    agreementKey: generateKeyPair('X25519'),
    createdAt: options.clock.wall(),
    account: null,
  };
}

function copyPin(pin: DeviceListPin): AccountRecord['pin'] {
  return { ...pin, devices: [...pin.devices] };
}
