import { randomBytes } from 'node:crypto';
import {
  LIMITS,
  type DeviceId,
  type Handle,
  type Signed,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import type { CallDropReason } from '../calls/call-context.ts';
import { Calls } from '../calls/calls.ts';
import { ContactPinning } from '../contacts/contact-pinning.ts';
import { Contacts } from '../contacts/contacts.ts';
import { Directory } from '../directory/directory.ts';
import { Resources } from '../directory/resources.ts';
import { edgeError, type EdgeClientError } from '../errors.ts';
import { AccessToken } from '../identity/access-token.ts';
import { DeviceTrust } from '../identity/device-trust.ts';
import { IdentityFolder } from '../identity/identity-folder.ts';
import type { IdentityStore } from '../identity/identity-store.ts';
import { Identity } from '../identity/identity.ts';
import { approveLink, openLink, removeDevice, type LinkInvitation } from '../identity/linking.ts';
import { recoverAccount, type Recovery } from '../identity/recovery.ts';
import { register, type RegisterOptions, type Registration } from '../identity/registration.ts';
import type { MessageStore } from '../messages/message-store.ts';
import type { MessageDropReason } from '../messages/messages-context.ts';
import type { Messages } from '../messages/messages.ts';
import { defaultMessageStore, openMessages, type OpenedMessages } from '../messages/open-messages.ts';
import { runNetcheck, type NetcheckOptions, type NetcheckReport } from '../netcheck/netcheck.ts';
import { PresenceWatch } from '../presence/presence-watch.ts';
import { ClientEndpoint } from '../rendezvous/client-endpoint.ts';
import type { SessionRequest } from '../rendezvous/incoming-session.ts';
import type { RendezvousDropReason } from '../rendezvous/rendezvous-context.ts';
import { Sessions, type OpenSessionOptions, type SessionTarget } from '../rendezvous/sessions.ts';
import type { Party } from '../rendezvous/signed-session.ts';
import type { Session } from '../session/session.ts';
import { AnonymousChannels } from '../signalling/anonymous-channel.ts';
import type { ConnectionChange, ConnectionState } from '../signalling/connection-state.ts';
import type { EventSequence } from '../signalling/event-sequence.ts';
import { HostCache, type HostCacheDropReason } from '../signalling/host-cache.ts';
import { SignIn } from '../signalling/sign-in.ts';
import type { ServerDropReason } from '../signalling/signalling-channel.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { SupernodeConnection, type SignedIn } from '../signalling/supernode-connection.ts';
import { libopus } from '../voice/opus-codec.libopus.ts';
import { resolveOptions, type EdgeClientOptions, type ResolvedOptions } from './client-options.ts';
import { DropCounter } from './drop-counter.ts';
import { ServerClock } from './server-clock.ts';
import { TypedEvents } from './typed-events.ts';

/** Events of {@link EdgeClient.on}. */
export interface EdgeClientEvents {
  readonly state: ConnectionChange & { readonly error?: EdgeClientError };
  /** An offer that `sessions.autoAccept` leaves to the app. */
  readonly 'session-request': SessionRequest;
  /** An offer that was accepted by itself. */
  readonly session: { readonly session: Session; readonly peer: Party };
  /** An offer that was accepted by itself and came to nothing, or that `sessions.autoAccept` failed to judge. */
  readonly 'session-failed': { readonly peer: Party; readonly error: EdgeClientError };
  /** The account was created on the first sign-in with an app's token: show this code once, it is kept nowhere. */
  readonly 'recovery-code': { readonly code: string };
  /** A device list was refused: a ghost device, a rollback, a changed account key. Or a message was forged. */
  readonly 'security-alert': { readonly userId: UserId; readonly error: EdgeClientError };
  /** A supernode speaks for the cluster with a key that this identity does not know; see {@link EdgeClient.acceptNewRosterKeys}. */
  readonly 'cluster-alert': { readonly error: EdgeClientError };
}

/** Who this client is. */
export interface ClientIdentity {
  readonly tenant: TenantId;
  readonly deviceId: DeviceId;
  /** Undefined until the device has an account. */
  readonly userId: UserId | undefined;
  readonly handle: Handle | null;
}

/** What was discarded, by reason. */
export interface ClientDrops {
  readonly signalling: Readonly<Partial<Record<ServerDropReason, number>>>;
  /** Of the host cache, and of lists of homes that were refused. */
  readonly hosts: Readonly<Partial<Record<HostCacheDropReason, number>>>;
  readonly sessions: Readonly<Partial<Record<RendezvousDropReason, number>>>;
  readonly calls: Readonly<Partial<Record<CallDropReason, number>>>;
  readonly messages: Readonly<Partial<Record<MessageDropReason, number>>>;
  /** What went wrong with the gateway's port, where {@link EdgeClientOptions.udp} asks for one. */
  readonly portMapping: Readonly<Partial<Record<string, number>>>;
}

/**
 * One device of one user: signs in to a supernode, sees its contacts, and opens end-to-end encrypted sessions with them.
 *
 * @example
 * ```ts
 * const client = await EdgeClient.open({ url: 'https://node1.example.org', dataDir: './me' });
 * await client.register({ handle: 'alice' });
 * await client.connect();
 * const bob = await client.directory.lookup({ handle: 'bob' });
 * const session = await client.openSession(bob.userId);
 * ```
 */
export class EdgeClient {
  readonly contacts: Contacts;
  readonly presence: PresenceWatch;
  readonly directory: Directory;
  readonly resources: Resources;
  readonly sessions: Sessions;
  readonly calls: Calls;
  readonly #options: ResolvedOptions;
  readonly #identity: Identity;
  readonly #trust: DeviceTrust;
  readonly #signIn: SignIn;
  readonly #hosts: HostCache;
  readonly #connection: SupernodeConnection;
  readonly #serverClock: ServerClock;
  readonly #events = new TypedEvents<EdgeClientEvents>();
  readonly #drops = new DropCounter<RendezvousDropReason>();
  readonly #anonymous: AnonymousChannels;
  #messages: OpenedMessages | undefined;
  #endpoint: ClientEndpoint | undefined;
  #opening: Promise<ClientEndpoint> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: ResolvedOptions, identity: Identity) {
    const { clock } = options;
    this.#options = options;
    this.#identity = identity;
    this.#serverClock = new ServerClock(clock);
    this.#trust = new DeviceTrust({
      identity,
      clock,
      isKeptInformed: (userId) => this.#isKeptInformed(userId),
    });
    this.#signIn = new SignIn(
      identity,
      new AccessToken(identity, clock, options.token),
      this.#trust,
      clock,
      (code) => this.#events.emit('recovery-code', { code }),
    );
    this.#connection = new SupernodeConnection({
      urls: options.urls,
      alternates: identity.hosts.alternates,
      hostTimeoutMs: options.hostTimeoutMs,
      backoff: options.backoff,
      connectTimeoutMs: options.connectTimeoutMs,
      requestTimeoutMs: options.requestTimeoutMs,
      tls: options.tls,
      random: () => randomBytes(4).readUInt32BE() / 2 ** 32,
      clock,
      signIn: (request, sequence) => this.#bringOnline(request, sequence),
    });
    this.#anonymous = new AnonymousChannels({ ...options, ...options.tls });
    this.#hosts = new HostCache({
      identity,
      now: () => this.#serverClock.now(),
      onUnknownKey: (error) => this.#events.emit('cluster-alert', { error }),
    });
    this.contacts = new Contacts(this.#connection);
    this.presence = new PresenceWatch(this.#connection, () => identity.account?.userId);
    this.directory = new Directory(this.#connection);
    this.resources = new Resources(this.#connection);
    this.sessions = new Sessions(
      {
        identity,
        trust: this.#trust,
        signalling: this.#connection,
        clock,
        drops: this.#drops,
        serverNow: () => this.#serverClock.now(),
        endpoint: () => this.#requireEndpoint(),
        isContact: (userId) => userId === identity.account?.userId || this.contacts.isAccepted(userId),
      },
      () => this.#serverClock.startedAt,
    );
    this.calls = new Calls({
      signalling: this.#connection,
      sessions: this.sessions,
      clock,
      codec: libopus,
      serverNow: () => this.#serverClock.now(),
    });
    this.#wire();
  }

  /**
   * Opens the identity, making a new device where there is none. Nothing is sent yet.
   *
   * @throws EDGE_OPTIONS_INVALID, EDGE_IDENTITY_LOCKED, EDGE_IDENTITY_CORRUPTED, EDGE_IDENTITY_NEWER, EDGE_IDENTITY_MISMATCH,
   * EDGE_MESSAGES_CORRUPTED, EDGE_MESSAGES_NEWER, EDGE_MESSAGES_UNUSABLE
   */
  static async open(options: EdgeClientOptions): Promise<EdgeClient> {
    const resolved = resolveOptions(options);
    const store = await openStore(options);
    const messageStore = options.messageStore ?? defaultMessageStore(options.dataDir);
    try {
      const client = new EdgeClient(resolved, await Identity.open(store, resolved));
      await client.#openMessages(messageStore);
      return client;
    } catch (thrown) {
      await messageStore.close();
      await store.close();
      throw thrown;
    }
  }

  /**
   * Takes an account over on a new device, by the recovery code alone. All former devices leave the account.
   *
   * @throws EDGE_RECOVERY_CODE_INVALID, RECOVERY_REFUSED, EDGE_ALREADY_REGISTERED
   */
  static async recover(
    options: EdgeClientOptions & { readonly userId: UserId; readonly recoveryCode: string },
  ): Promise<{ readonly client: EdgeClient; readonly recovery: Recovery }> {
    const client = await EdgeClient.open(options);
    try {
      const recovery = await client.#anonymous.run(({ request }) =>
        recoverAccount(client.#identity, request, client.#options.clock, options),
      );
      return { client, recovery };
    } catch (thrown) {
      await client.close();
      throw thrown;
    }
  }

  /** Messages with other users, one to one. */
  get messages(): Messages {
    if (!this.#messages) throw edgeError('EDGE_CLIENT_CLOSED');
    return this.#messages.messages;
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** Address of the supernode that this client is online at; undefined while it is at none. */
  get home(): string | undefined {
    return this.state === 'online' ? this.#connection.url : undefined;
  }

  get identity(): ClientIdentity {
    const { tenant, deviceId, account } = this.#identity;
    return { tenant, deviceId, userId: account?.userId, handle: account?.handle ?? null };
  }

  /** Returns the function that takes the listener off again. */
  on<Name extends keyof EdgeClientEvents>(
    name: Name,
    listener: (event: EdgeClientEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  /** Open registration with a proof of work. @throws HANDLE_TAKEN, REGISTRATION_CLOSED, EDGE_ALREADY_REGISTERED */
  async register(options: RegisterOptions): Promise<Registration> {
    this.#requireNotClosed();
    return this.#anonymous.run(({ request }) =>
      register(this.#identity, request, this.#options.clock, options),
    );
  }

  /** Makes a code by which a device of an account takes this new one in. @throws EDGE_ALREADY_REGISTERED */
  async linkCode(): Promise<LinkInvitation> {
    this.#requireNotClosed();
    const channel = await this.#anonymous.open();
    try {
      return await openLink(this.#identity, channel, this.#options.clock);
    } catch (thrown) {
      channel.close();
      throw thrown;
    }
  }

  /** Takes the device that shows `code` into this account. @throws EDGE_LINK_CODE_INVALID, LINK_UNKNOWN */
  approveLink(code: string, options: { readonly name?: string } = {}): Promise<DeviceId> {
    return approveLink(this.#identity, this.#trust, this.#connection.request, this.#options.clock, {
      code,
      name: (options.name ?? 'linked device').slice(0, LIMITS.maxDeviceNameLength),
    });
  }

  /** The verified devices of a user (default: our own). @throws EDGE_GHOST_DEVICE, EDGE_DEVICE_LIST_INVALID, … */
  async devices(userId: UserId = this.#identity.requireAccount().userId): Promise<VerifiedDevices> {
    const { rootKey, version, devices } = await this.#trust.refresh(userId, this.#connection.request);
    return { rootKey, version, devices: devices.map(({ key, name, addedAt }) => ({ key, name, addedAt })) };
  }

  /** Takes a device out of this account. */
  removeDevice(deviceId: DeviceId): Promise<void> {
    return removeDevice(this.#identity, this.#trust, this.#connection.request, this.#options.clock, deviceId);
  }

  /** After EDGE_ROOT_CHANGED, and after the app's user has checked with the other one: trusts the new account key. */
  async acceptNewRoot(userId: UserId): Promise<void> {
    await this.#identity.forgetPin(userId);
    await this.#trust.refresh(userId, this.#connection.request);
  }

  /** After EDGE_ROSTER_KEY_CHANGED, and after the app has made sure of its cluster: the next list of homes names the keys to trust. */
  acceptNewRosterKeys(): Promise<void> {
    return this.#hosts.forgetRosterKeys();
  }

  /** Resolves when online. From then on the client reconnects by itself. @throws EDGE_CONNECT_TIMEOUT, EDGE_NOT_REGISTERED, … */
  async connect(): Promise<void> {
    if (!this.#identity.account && !this.#options.token) throw edgeError('EDGE_NOT_REGISTERED');
    this.#requireNotClosed();
    await this.#openEndpoint();
    if (this.#hosts.hint) this.#connection.useHomes(this.#hosts.hint);
    await this.#connection.connect();
  }

  /** Opens a session with a user (the first device that answers) or one of the user's devices. */
  openSession(target: SessionTarget, options: OpenSessionOptions = {}): Promise<Session> {
    return this.sessions.open(target, options);
  }

  /** Measures how this network treats UDP. The client must be online. */
  async netcheck(options: NetcheckOptions = {}): Promise<NetcheckReport> {
    const welcome = this.#serverClock.welcome;
    if (this.state !== 'online' || !welcome) throw edgeError('EDGE_NOT_CONNECTED');
    return runNetcheck(
      welcome,
      () => this.#connection.request('relay.renew', {}),
      options,
      this.#options.tls,
    );
  }

  drops(): ClientDrops {
    return {
      signalling: this.#connection.drops(),
      hosts: this.#hosts.drops(),
      sessions: this.#drops.snapshot(),
      calls: this.calls.drops(),
      messages: this.#messages?.drops.snapshot() ?? {},
      portMapping: this.#endpoint?.portMappingDrops() ?? {},
    };
  }

  /** Signs off, ends all sessions and gives the identity free. A closed client stays closed. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #wire(): void {
    const pinning = new ContactPinning(this.contacts, this.#identity, this.#trust, this.#connection);
    this.#connection.onChange((change) => {
      this.#events.emit('state', change);
      if (change.to === 'online') void pinning.run();
    });
    this.#connection.onGap(() => {
      this.#resync(this.#connection.request).catch(() => this.#connection.recycle());
    });
    this.contacts.on('change', ({ userId, contact }) => {
      if (contact?.state !== 'accepted') this.#trust.forget(userId);
    });
    this.#connection.onEvent('account.devices-changed', ({ userId, version }) => {
      this.#trust.expire(userId, version);
      // Contacts are kept verified, so that a call needs no question first; a refusal is told by the alert.
      if (!this.#isKeptInformed(userId)) return;
      this.#trust.refresh(userId, this.#connection.request).catch(() => undefined);
    });
    this.#connection.onEvent('homes.changed', ({ homes }) => {
      this.#takeHomes(homes);
      // Refused where there is no relay; the next sign-in names them too.
      this.#endpoint?.renewRelays(this.#connection.request).catch(() => undefined);
    });
    this.#connection.onEvent('go-away', ({ alternates }) => this.#hosts.noteAlternates(alternates));
    this.#trust.on('refused', (event) => this.#events.emit('security-alert', event));
    this.sessions.on('request', (request) => this.#events.emit('session-request', request));
    this.sessions.on('session', (event) => this.#events.emit('session', event));
    this.sessions.on('failed', (event) => this.#events.emit('session-failed', event));
  }

  /** Changes of device lists are announced to the user's own devices and to contacts. */
  #isKeptInformed(userId: UserId): boolean {
    const isOwn = userId === this.#identity.account?.userId;
    return this.#connection.isOnline && (isOwn || this.contacts.isAccepted(userId));
  }

  /** On a fresh channel: proves the device, then brings all state up to date before anybody sees `online`. */
  async #bringOnline(request: SendRequest, sequence: EventSequence): Promise<SignedIn> {
    const { welcome, resumed, recovered, newestSequence } = await this.#signIn.run(request, sequence);
    this.#serverClock.adjust(welcome);
    if (welcome.homes) this.#takeHomes(welcome.homes);
    await Promise.all([
      this.#endpoint?.useServers(welcome, this.#connection.request),
      recovered ? undefined : this.#resync(request),
    ]);
    return { resumed, recovered, newestSequence };
  }

  #takeHomes(statements: readonly Signed[]): void {
    const homes = this.#hosts.take(statements);
    if (homes) this.#connection.useHomes(homes);
  }

  async #resync(request: SendRequest): Promise<void> {
    this.#trust.expireAll();
    for (const { userId, version } of await this.contacts.resync(request))
      this.#trust.confirm(userId, version);
    await this.presence.resync(request);
    await this.resources.resync(request);
  }

  /** One socket, however many calls of `connect` run at once. */
  async #openEndpoint(): Promise<void> {
    this.#opening ??= ClientEndpoint.open(this.#options.udp, this.#options.tls);
    try {
      const endpoint = await this.#opening;
      if (this.#endpoint !== endpoint) endpoint.onNetworkChange(() => this.#connection.verify());
      this.#endpoint = endpoint;
    } catch (thrown) {
      this.#opening = undefined;
      throw thrown;
    }
  }

  async #openMessages(store: MessageStore): Promise<void> {
    this.#messages = await openMessages(
      {
        identity: this.#identity,
        trust: this.#trust,
        connection: this.#connection,
        contacts: this.contacts,
        presence: this.presence,
        sessions: this.sessions,
        serverNow: () => this.#serverClock.now(),
        alert: (event) => this.#events.emit('security-alert', event),
      },
      store,
    );
  }

  #requireEndpoint(): ClientEndpoint {
    if (!this.#endpoint) throw edgeError('EDGE_NOT_CONNECTED');
    return this.#endpoint;
  }

  #requireNotClosed(): void {
    if (this.#closing) throw edgeError('EDGE_CLIENT_CLOSED');
  }

  async #close(): Promise<void> {
    this.#anonymous.close();
    this.resources.close();
    await this.calls.close();
    this.sessions.close(edgeError('EDGE_CLIENT_CLOSED'));
    if (this.state === 'online') {
      // Best effort: without it the presence ends with the grace time of a lost connection.
      await this.#connection.request('sign-off', {}, { timeoutMs: 1000 }).catch(() => undefined);
    }
    this.#connection.close();
    await this.#messages?.messages.close();
    const endpoint = await this.#opening?.catch(() => undefined);
    await endpoint?.close();
    await this.#identity.close();
  }
}

/** A user's devices as their chain of signatures proves them. */
export interface VerifiedDevices {
  /** Compare it over another channel to be sure of the user. */
  readonly rootKey: string;
  readonly version: number;
  readonly devices: readonly { readonly key: string; readonly name: string; readonly addedAt: number }[];
}

async function openStore({ dataDir, identityStore }: EdgeClientOptions): Promise<IdentityStore> {
  if (identityStore && dataDir === undefined) return identityStore;
  if (dataDir !== undefined && !identityStore) return IdentityFolder.open(dataDir);
  throw edgeError('EDGE_OPTIONS_INVALID', { message: 'Give either dataDir or identityStore.' });
}
