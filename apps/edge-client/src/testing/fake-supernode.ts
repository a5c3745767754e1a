/**
 * A supernode for tests of the client: one process, no database, the wire of libs/protocol, and the means to lie. It checks
 * nothing that the client is meant to check, so that a test sees the client's own judgement.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  accepted,
  CLIENT_REQUESTS,
  decodeBase64url,
  encodeBase64url,
  refused,
  WIRE_ERRORS,
  type Acknowledgement,
  type CallRecord,
  type ClientRequestName,
  type Contact,
  type DeviceId,
  type EventOf,
  type RequestOf,
  type ResponseOf,
  type ServerEventName,
  type SessionAnswer,
  type SessionId,
  type Signed,
  type TenantId,
  type UserId,
  type WayOut,
  type WireErrorCode,
} from '@parley/protocol';
import { Server, type Socket } from 'socket.io';

interface FakeUser {
  readonly userId: UserId;
  readonly handle: string;
  lists: Signed[];
  readonly contacts: Map<UserId, Contact>;
  presence: { state: 'online' | 'away' | 'busy' | 'invisible'; counter: number };
}

interface FakeConnection {
  readonly socket: Socket;
  deviceId?: DeviceId;
  user?: FakeUser;
}

interface FakeSession {
  readonly caller: FakeConnection;
  readonly callees: UserId;
  readonly isCall: boolean;
  answeredBy?: DeviceId;
}

/** Why a request is refused. */
class Refused extends Error {
  constructor(readonly code: WireErrorCode) {
    super(code);
  }
}

type Handlers = {
  [Name in ClientRequestName]?: (connection: FakeConnection, request: RequestOf<Name>) => unknown;
};

/** Rewrites what goes out; undefined keeps it back. */
export interface Lies {
  readonly responses: Map<ClientRequestName, (data: never, request: never) => unknown>;
  readonly events: Map<ServerEventName, (event: never, to: DeviceId) => unknown>;
}

export class FakeSupernode {
  readonly lies: Lies = { responses: new Map(), events: new Map() };
  /** Refused with this code instead of served. */
  readonly refusals = new Map<ClientRequestName, WireErrorCode>();
  /** What a refusal says about the next try. */
  readonly wayOut = new Map<ClientRequestName, WayOut & { readonly retryAfterMs?: number }>();
  readonly requests: ClientRequestName[] = [];
  /** What the next `resume` answers. */
  resumeAnswer: 'recovered' | 'lost' | 'refused' = 'recovered';
  clusterId = 'fake-cluster';
  readonly users: Map<UserId, FakeUser>;
  readonly #http: HttpServer;
  readonly #io: Server;
  readonly #connections = new Map<string, FakeConnection>();
  readonly #tokens: Map<string, UserId>;
  readonly #sequences: Map<DeviceId, number>;
  /** What `calls.history` answers, by user. */
  readonly callRecords = new Map<UserId, CallRecord[]>();
  /** Every `call.end` that came. */
  readonly callEnds: RequestOf<'call.end'>[] = [];
  readonly #sessions = new Map<string, FakeSession>();
  readonly #waiting = new Map<DeviceId, FakeConnection>();
  readonly #watchers = new Map<UserId, Set<FakeConnection>>();
  readonly #resources = new Map<string, ResponseOf<'resource.find'>['holders']>();

  private constructor(http: HttpServer, sibling: FakeSupernode | undefined) {
    this.#http = http;
    this.users = sibling?.users ?? new Map<UserId, FakeUser>();
    this.#tokens = sibling ? sibling.#tokens : new Map<string, UserId>();
    this.#sequences = sibling ? sibling.#sequences : new Map<DeviceId, number>();
    this.#io = new Server(http, { transports: ['websocket'] });
    this.#io.on('connection', (socket) => this.#serve({ socket }));
  }

  /** With a `sibling` it is another supernode of the same cluster: accounts, tokens and the numbers of events are shared. */
  static async start(port = 0, sibling?: FakeSupernode): Promise<FakeSupernode> {
    const http = createServer();
    const supernode = new FakeSupernode(http, sibling);
    await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
    return supernode;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.port)}`;
  }

  async stop(): Promise<void> {
    await this.#io.close();
  }

  /** Breaks every connection, as a network would. */
  dropConnections(): void {
    this.#io.disconnectSockets(true);
  }

  /** Sends an event to every connection of a device. */
  push<Name extends ServerEventName>(
    deviceId: DeviceId,
    name: Name,
    event: EventOf<Name>,
    sequence?: number,
  ): void {
    const next = sequence ?? (this.#sequences.get(deviceId) ?? 0) + 1;
    if (sequence === undefined) this.#sequences.set(deviceId, next);
    const lie = this.lies.events.get(name);
    const sent = lie ? lie(event as never, deviceId) : event;
    if (sent === undefined) return;
    this.pushRaw(deviceId, name, sent, { sequence: next });
  }

  pushRaw(deviceId: DeviceId, name: string, ...payload: readonly unknown[]): void {
    for (const connection of this.#connections.values()) {
      if (connection.deviceId === deviceId) connection.socket.emit(name, ...payload);
    }
  }

  #serve(connection: FakeConnection): void {
    this.#connections.set(connection.socket.id, connection);
    connection.socket.on('disconnect', () => {
      this.#connections.delete(connection.socket.id);
      if (connection.user) this.#tellPresence(connection.user);
    });
    connection.socket.onAny(
      (name: ClientRequestName, payload: unknown, acknowledge: (reply: unknown) => void) => {
        this.requests.push(name);
        acknowledge(this.#answer(connection, name, payload));
      },
    );
  }

  #answer(connection: FakeConnection, name: ClientRequestName, payload: unknown): Acknowledgement<unknown> {
    const refusal = this.refusals.get(name);
    if (refusal) {
      const hints = this.wayOut.get(name);
      return refused(refusal, WIRE_ERRORS[refusal].doc, hints?.retryAfterMs, hints);
    }
    const request = CLIENT_REQUESTS[name].request.safeParse(payload);
    if (!request.success) return refused('BAD_REQUEST', request.error.message.slice(0, 500));
    try {
      const handler = this.#handlers[name] as ((c: FakeConnection, r: unknown) => unknown) | undefined;
      if (!handler) return refused('UNKNOWN_EVENT', name);
      const data = handler(connection, request.data);
      const lie = this.lies.responses.get(name);
      return accepted(lie ? lie(data as never, request.data as never) : data);
    } catch (thrown) {
      if (thrown instanceof Refused) return refused(thrown.code, WIRE_ERRORS[thrown.code].doc);
      throw thrown;
    }
  }

  readonly #handlers: Handlers = {
    challenge: () => ({
      version: 1,
      clusterId: this.clusterId,
      serverId: 'fake-server',
      nonce: encodeBase64url(randomBytes(16)),
      expiresInMs: 30_000,
    }),
    'register.puzzle': () => ({
      challenge: encodeBase64url(randomBytes(16)),
      difficultyBits: 6,
      expiresInMs: 120_000,
    }),
    register: (_connection, { handle, deviceList }) => {
      const { userId } = payloadOf(deviceList) as { userId: UserId };
      const isRepeated = this.users.get(userId)?.lists[0]?.payload === deviceList.payload;
      const isTaken = [...this.users.values()].some((user) => user.handle === handle);
      if (isTaken && !isRepeated) throw new Refused('HANDLE_TAKEN');
      if (!isRepeated) this.#addUser(userId, handle, [deviceList]);
      return { userId, token: this.#issue(userId), expiresInMs: 3_600_000 };
    },
    'token.renew': (_connection, { userId }) => {
      if (!this.users.has(userId)) throw new Refused('BAD_PROOF');
      return { token: this.#issue(userId), expiresInMs: 3_600_000 };
    },
    authenticate: (connection, { token, proof }) => {
      const userId = this.#tokens.get(token) ?? appUserOf(token);
      if (!userId) throw new Refused('TOKEN_INVALID');
      const user = this.users.get(userId) ?? this.#addUser(userId, `user-${userId.slice(0, 8)}`, []);
      return this.#welcome(connection, user, deviceOf(proof));
    },
    resume: (connection, { token, proof }) => {
      const userId = this.#tokens.get(token);
      const user = userId && this.users.get(userId);
      if (!user || this.resumeAnswer === 'refused') throw new Refused('RESUME_REFUSED');
      const recovered = this.resumeAnswer === 'recovered';
      return { ...this.#welcome(connection, user, deviceOf(proof), true), recovered };
    },
    'account.create': ({ user }, { deviceList }) => {
      const [first] = user?.lists ?? [];
      if (first && first.payload !== deviceList.payload) throw new Refused('ACCOUNT_EXISTS');
      if (!first) user?.lists.push(deviceList);
      return { deviceListVersion: 1 };
    },
    'account.devices': (_connection, { userId, sinceVersion }) => {
      const user = this.#userOf(userId);
      return { lists: user.lists.slice(sinceVersion), complete: true };
    },
    'account.recovery-lists': (_connection, { userId, sinceVersion }) => ({
      lists: this.#userOf(userId).lists.slice(sinceVersion),
      complete: true,
    }),
    'account.recover': (_connection, { userId, deviceList }) => {
      const user = this.#userOf(userId);
      if (user.lists.at(-1)?.payload !== deviceList.payload) user.lists.push(deviceList);
      return { token: this.#issue(userId), expiresInMs: 3_600_000, deviceListVersion: user.lists.length };
    },
    'account.update-devices': ({ user }, { deviceList }) => {
      user?.lists.push(deviceList);
      return { deviceListVersion: user?.lists.length ?? 1 };
    },
    'link.open': (connection, { proof }) => {
      this.#waiting.set(deviceOf(proof), { ...connection, deviceId: deviceOf(proof) });
      return { expiresInMs: 60_000 };
    },
    'link.approve': ({ user }, { deviceId, deviceList, confirmation }) => {
      const waiting = this.#waiting.get(deviceId);
      if (!waiting || !user) throw new Refused('LINK_UNKNOWN');
      user.lists.push(deviceList);
      const event: EventOf<'link.approved'> = {
        tenant: 'default' as TenantId,
        userId: user.userId,
        handle: user.handle as EventOf<'link.approved'>['handle'],
        token: this.#issue(user.userId),
        lists: user.lists,
        confirmation,
      };
      const lie = this.lies.events.get('link.approved');
      waiting.socket.emit('link.approved', lie ? lie(event as never, deviceId) : event, { sequence: 0 });
      return { deviceListVersion: user.lists.length };
    },
    'contacts.list': ({ user }) => {
      const contacts = [...(user?.contacts.values() ?? [])];
      const deviceLists = contacts
        .filter(({ userId, state }) => state === 'accepted' && this.users.has(userId))
        .map(({ userId }) => ({ userId, version: this.#userOf(userId).lists.length }));
      return { contacts, deviceLists };
    },
    'contacts.request': (connection, { userId }) =>
      this.#setContacts(connection, userId, 'pending-out', 'pending-in'),
    'contacts.accept': (connection, { userId }) =>
      this.#setContacts(connection, userId, 'accepted', 'accepted'),
    'contacts.remove': (connection, { userId }) =>
      this.#setContacts(connection, userId, undefined, undefined),
    'presence.set': ({ user }, { state }) => {
      if (!user) throw new Refused('NOT_AUTHENTICATED');
      user.presence = { state, counter: user.presence.counter + 1 };
      this.#tellPresence(user);
      return this.#presenceOf(user);
    },
    'presence.subscribe': (connection, { userIds }) => ({
      presence: userIds.map((userId) => {
        const watchers = this.#watchers.get(userId) ?? new Set();
        this.#watchers.set(userId, watchers.add(connection));
        return this.#presenceOf(this.#userOf(userId));
      }),
    }),
    'presence.unsubscribe': (connection, { userIds }) => {
      for (const userId of userIds) this.#watchers.get(userId)?.delete(connection);
      return {};
    },
    'directory.lookup': (_connection, by) => {
      const user = [...this.users.values()].find((one) =>
        'handle' in by ? one.handle === by.handle : one.userId === by.userId,
      );
      if (!user) throw new Refused('NOT_FOUND');
      return { entry: { userId: user.userId, handle: user.handle, displayName: null } };
    },
    'resource.announce': ({ user, deviceId }, { kind, key, ttlMs, attributes }) => {
      if (!user || !deviceId) throw new Refused('NOT_AUTHENTICATED');
      const expiresAt = Date.now() + ttlMs;
      this.#resources.set(`${kind} ${key}`, [
        { userId: user.userId, deviceId, attributes: attributes ?? {}, expiresAt },
      ]);
      return { expiresAt };
    },
    'resource.withdraw': (_connection, { kind, key }) => {
      this.#resources.delete(`${kind} ${key}`);
      return {};
    },
    'resource.find': (_connection, { kind, key }) => ({
      holders: this.#resources.get(`${kind} ${key}`) ?? [],
      asOf: Date.now(),
    }),
    'session.offer': (connection, { sessionId, to, expiresInMs, offers, call }) => {
      const { user, deviceId } = connection;
      if (!user || !deviceId) throw new Refused('NOT_AUTHENTICATED');
      this.#sessions.set(sessionId, { caller: connection, callees: to, isCall: call !== undefined });
      for (const { deviceId: callee, offer, flight } of offers) {
        const from = { userId: user.userId, deviceId };
        const contact = user.contacts.get(to)?.state === 'accepted';
        const offered = { sessionId, from, contact, expiresInMs, offer, flight };
        this.push(callee, 'session.offered', call ? { ...offered, call } : offered);
      }
      return {};
    },
    'session.answer': ({ user, deviceId }, { sessionId, answer, flight }) => {
      const session = this.#sessions.get(sessionId);
      if (!session?.caller.deviceId || !user || !deviceId) throw new Refused('SESSION_UNKNOWN');
      const from = { userId: user.userId, deviceId };
      const { stage } = payloadOf(answer) as SessionAnswer;
      if (session.isCall && stage === 'accepted') this.#takeAnswer(session, sessionId, deviceId);
      this.push(session.caller.deviceId, 'session.answered', { sessionId, from, answer, flight });
      return {};
    },
    'session.ringing': ({ user, deviceId }, { sessionId }) => {
      const session = this.#sessions.get(sessionId);
      if (!session?.caller.deviceId || !user || !deviceId) throw new Refused('SESSION_UNKNOWN');
      if (session.answeredBy) throw new Refused('SESSION_TAKEN');
      const from = { userId: user.userId, deviceId };
      this.push(session.caller.deviceId, 'session.ringing', { sessionId, from });
      return {};
    },
    'call.end': ({ deviceId }, end) => {
      this.callEnds.push(end);
      const session = this.#sessions.get(end.sessionId);
      if (!session) throw new Refused('SESSION_UNKNOWN');
      this.#sessions.delete(end.sessionId);
      for (const party of [session.caller.deviceId, session.answeredBy]) {
        if (party && party !== deviceId)
          this.push(party, 'session.ended', { sessionId: end.sessionId, reason: end.cause });
      }
      return {};
    },
    'calls.history': ({ user }, { after, limit = 50 }) => {
      const records = (user && this.callRecords.get(user.userId)) ?? [];
      const rest = records.filter(({ cursor }) => cursor > after).sort((a, b) => a.cursor - b.cursor);
      return { calls: rest.slice(0, limit), hasMore: rest.length > limit };
    },
    'session.candidates': ({ user, deviceId }, { sessionId, to, candidates }) => {
      if (!user || !deviceId) throw new Refused('NOT_AUTHENTICATED');
      const from = { userId: user.userId, deviceId };
      this.push(to, 'session.candidates', { sessionId, from, candidates });
      return {};
    },
    'session.cancel': (_connection, { sessionId }) => {
      const session = this.#sessions.get(sessionId);
      if (session?.isCall) this.#sessions.delete(sessionId);
      const callees = session?.callees;
      for (const { user, deviceId } of this.#connections.values()) {
        if (deviceId && user?.userId === callees)
          this.push(deviceId, 'session.ended', { sessionId, reason: 'cancelled' });
      }
      return {};
    },
    'session.reject': ({ deviceId }, { sessionId, reason }) => {
      const session = this.#sessions.get(sessionId);
      const caller = session?.caller.deviceId;
      if (caller) this.push(caller, 'session.ended', { sessionId, reason });
      if (session?.isCall) {
        this.#sessions.delete(sessionId);
        this.#endForCallees(session, sessionId, reason, deviceId);
      }
      return {};
    },
    'relay.renew': () => {
      throw new Refused('RELAY_UNAVAILABLE');
    },
    'session.report': () => ({}),
    // Whoever tests messages has a world of his own; here every mailbox is empty.
    'mailbox.read': (_connection, { after }) => ({
      items: [],
      hasMore: false,
      continuity: 'complete',
      cursor: after,
    }),
    'sign-off': () => ({}),
  };

  #takeAnswer(session: FakeSession, sessionId: SessionId, by: DeviceId): void {
    if (session.answeredBy) throw new Refused('SESSION_TAKEN');
    session.answeredBy = by;
    this.#endForCallees(session, sessionId, 'answered-elsewhere', by);
  }

  #endForCallees(
    { callees }: FakeSession,
    sessionId: SessionId,
    reason: EventOf<'session.ended'>['reason'],
    except: DeviceId | undefined,
  ): void {
    for (const { user, deviceId } of this.#connections.values()) {
      if (deviceId && deviceId !== except && user?.userId === callees)
        this.push(deviceId, 'session.ended', { sessionId, reason });
    }
  }

  #addUser(userId: UserId, handle: string, lists: Signed[]): FakeUser {
    const user: FakeUser = {
      userId,
      handle,
      lists,
      contacts: new Map(),
      presence: { state: 'online', counter: 1 },
    };
    this.users.set(userId, user);
    return user;
  }

  #userOf(userId: UserId): FakeUser {
    const user = this.users.get(userId);
    if (!user) throw new Refused('NOT_FOUND');
    return user;
  }

  #issue(userId: UserId): string {
    const token = randomBytes(12).toString('hex');
    this.#tokens.set(token, userId);
    return token;
  }

  #welcome(connection: FakeConnection, user: FakeUser, deviceId: DeviceId, isResumed = false) {
    connection.user = user;
    connection.deviceId = deviceId;
    if (!isResumed) this.#sequences.set(deviceId, 0);
    this.#tellPresence(user);
    return {
      tenant: 'default',
      userId: user.userId,
      deviceId,
      handle: user.handle,
      linked: true,
      deviceListVersion: user.lists.length,
      resume: { token: this.#issue(user.userId), windowMs: 60_000 },
      stunServers: [],
      relay: null,
      serverTime: Date.now(),
    };
  }

  #setContacts(
    { user }: FakeConnection,
    userId: UserId,
    ours: Contact['state'] | undefined,
    theirs: Contact['state'] | undefined,
  ) {
    const other = this.#userOf(userId);
    if (!user) throw new Refused('NOT_AUTHENTICATED');
    const contact = setContact(user, other, ours);
    const mirrored = setContact(other, user, theirs);
    for (const { deviceId, user: owner } of this.#connections.values()) {
      if (deviceId && owner === other) {
        this.push(deviceId, 'contacts.changed', { userId: user.userId, contact: mirrored });
      }
    }
    return { contact };
  }

  #presenceOf(user: FakeUser): EventOf<'presence.changed'> {
    const isConnected = [...this.#connections.values()].some((one) => one.user === user);
    return {
      userId: user.userId,
      state: isConnected ? user.presence.state : 'offline',
      statusText: null,
      lastSeen: null,
      devices: [],
      version: { epoch: 1, counter: user.presence.counter },
      asOf: Date.now(),
    };
  }

  #tellPresence(user: FakeUser): void {
    user.presence.counter += 1;
    for (const { deviceId } of this.#watchers.get(user.userId) ?? []) {
      if (deviceId) this.push(deviceId, 'presence.changed', this.#presenceOf(user));
    }
  }
}

function setContact(owner: FakeUser, other: FakeUser, state: Contact['state'] | undefined): Contact | null {
  if (!state) {
    owner.contacts.delete(other.userId);
    return null;
  }
  const handle = other.handle as Contact['handle'];
  const contact: Contact = { userId: other.userId, handle, displayName: null, state, since: 1 };
  owner.contacts.set(other.userId, contact);
  return contact;
}

/** A token of an app's own backend, as the tests write it. */
function appUserOf(token: string): UserId | undefined {
  return token.startsWith('app:') ? (token.slice(4) as UserId) : undefined;
}

function deviceOf(proof: Signed): DeviceId {
  const key = decodeBase64url(proof.signer) ?? new Uint8Array(0);
  return createHash('sha256').update(key).digest('base64url') as DeviceId;
}

/** The payload of a signed thing, unchecked. */
export function payloadOf(signed: Signed): unknown {
  return JSON.parse(Buffer.from(signed.payload, 'base64url').toString()) as unknown;
}
