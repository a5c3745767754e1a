/**
 * A world for models of conversations: devices with stores that survive their crashes, a supernode with mailboxes, sessions
 * between devices, a network that loses requests, answers and events, and a clock that the test moves. One process, no I/O.
 */
import { randomBytes } from 'node:crypto';
import {
  accepted,
  encodeBase64url,
  refused,
  type ClientRequestName,
  type Contact,
  type DeviceId,
  type MailboxItem,
  type MessageId,
  type RequestOf,
  type ResponseOf,
  type UserId,
  type WireErrorCode,
} from '@parley/protocol';
import { DropCounter } from '../../client/drop-counter.ts';
import { edgeError, EdgeClientError, errorFromWire } from '../../errors.ts';
import type { SendRequest } from '../../signalling/signalling.ts';
import type { ReceivedMessage } from '../chat-message.ts';
import { MemoryMessageStore } from '../memory-message-store.ts';
import type { MessageStore } from '../message-store.ts';
import { messageKey, type MessageKey } from '../stored-message.ts';
import type { MessageDropReason, MessagesContext } from '../messages-context.ts';
import { Messages } from '../messages.ts';
import { PlainProvider } from './plain-provider.ts';
import { TENANT, type TestAccount, type TestDevice } from './test-account.ts';

/** What the network does with a message of either direction. */
export type Fate = 'ok' | 'lose-request' | 'lose-answer';

/** What the app's handler does. */
export type AppMood = 'acknowledge' | 'refuse' | 'hang';

const START = 1_800_000_000_000;

/** Who is a contact: everybody, unless it says otherwise. */
class ContactStates {
  readonly #states = new Map<UserId, Contact['state'] | undefined>();

  get(userId: UserId): Contact['state'] | undefined {
    return this.#states.has(userId) ? this.#states.get(userId) : 'accepted';
  }

  set(userId: UserId, state: Contact['state']): void {
    this.#states.set(userId, state);
  }

  delete(userId: UserId): void {
    this.#states.set(userId, undefined);
  }
}

class Mailbox {
  items: MailboxItem[] = [];
  #last = 0;

  put(item: Omit<MailboxItem, 'cursor'>): MailboxItem | undefined {
    const isThere = this.items.some(
      ({ from, messageId }) => from.deviceId === item.from.deviceId && messageId === item.messageId,
    );
    if (isThere) return undefined;
    this.#last += 1;
    const stored = { ...item, cursor: this.#last };
    this.items.push(stored);
    return stored;
  }
}

/** One device: a `Messages` that can crash, over a store that can't. */
export class WorldDevice {
  readonly party: TestDevice;
  readonly drops = new DropCounter<MessageDropReason>();
  readonly mailbox = new Mailbox();
  /** Events that the network holds back. */
  readonly heldEvents: (readonly MailboxItem[])[] = [];
  isOnline = false;
  isInvisible = false;
  mood: AppMood = 'acknowledge';
  /** By message, how often the app was handed it and how often it acknowledged. */
  readonly handed = new Map<MessageKey, { times: number; acknowledged: number }>();
  readonly violations: string[] = [];
  /** Everybody not named here is a contact. */
  readonly contacts = new ContactStates();
  readonly #world: MessageWorld;
  readonly #store: MessageStore;
  #incarnation = 0;
  #messages: Messages | undefined;

  constructor(world: MessageWorld, party: TestDevice, store: MessageStore) {
    this.#world = world;
    this.party = party;
    this.#store = store;
  }

  get messages(): Messages {
    if (!this.#messages) throw new TypeError('The device is not started.');
    return this.#messages;
  }

  async start(): Promise<void> {
    const incarnation = this.#incarnation;
    const isAlive = () => this.#incarnation === incarnation;
    const contacts = {
      get: (userId: UserId) => contactOf(userId, this.contacts.get(userId)),
      request: () => Promise.resolve(),
      accept: () => Promise.resolve(),
      block: () => Promise.resolve(),
    };
    const messages = await Messages.open(this.#context(isAlive), fenced(this.#store, isAlive), contacts);
    this.#messages = messages;
    if (this.#world.hasApp) messages.on('message', (message) => (isAlive() ? this.#app(message) : never()));
  }

  /** The process ends at once; only the store remains. */
  async crash(): Promise<void> {
    this.#incarnation += 1;
    this.isOnline = false;
    this.heldEvents.length = 0;
    this.#world.forgetTimers(this);
    await this.start();
  }

  connect(): void {
    if (this.isOnline) return;
    this.isOnline = true;
    this.messages.online();
  }

  disconnect(): void {
    if (!this.isOnline) return;
    this.isOnline = false;
    this.heldEvents.length = 0;
    this.messages.offline();
  }

  async #app(message: ReceivedMessage): Promise<void> {
    const key = messageKey(message.from.deviceId, message.id);
    const record = this.handed.get(key) ?? { times: 0, acknowledged: 0 };
    this.handed.set(key, record);
    if (record.acknowledged > 0)
      this.violations.push(`${message.text}: handed out after its acknowledgement`);
    if (record.times > 0 && !message.isRedelivery)
      this.violations.push(`${message.text}: a silent second time`);
    record.times += 1;
    if (this.mood === 'hang') await never();
    if (this.mood === 'refuse') throw new TypeError('The app refuses.');
    record.acknowledged += 1;
  }

  #context(isAlive: () => boolean): MessagesContext {
    const { userId, deviceId, deviceKey } = this.party;
    const world = this.#world;
    return {
      ...{ tenant: TENANT, deviceKey, drops: this.drops },
      providers: [new PlainProvider(deviceId)],
      self: () => ({ userId, deviceId }),
      lists: {
        verified: (user) => world.verify(user),
        refresh: (user) => world.verify(user),
        known: (user) => world.pinOf(user),
      },
      request: ((name: ClientRequestName, payload: never) =>
        isAlive() ? world.request(this, name, payload) : never()) as unknown as SendRequest,
      isOnline: () => this.isOnline,
      contactState: (userId) => this.contacts.get(userId),
      isInvisible: () => this.isInvisible,
      direct: (to, copy) => world.direct(this, to, copy),
      hasDirect: (to) => world.isLinked(this, to),
      now: () => world.now,
      scheduler: { after: (ms, action) => world.after(this, ms, () => isAlive() && action()) },
      random: () => 0.5,
      newId: () => encodeBase64url(randomBytes(16)) as MessageId,
      alert: ({ error }) => this.violations.push(`alert: ${error.code}`),
    };
  }
}

export class MessageWorld {
  readonly devices: readonly WorldDevice[];
  now = START;
  /** Consumed one per request, event or copy; then everything arrives. */
  fates: Fate[] = [];
  /** Thrown by the next sends. */
  readonly refusals: EdgeClientError[] = [];
  /** Why no device list can be verified. */
  listProblem: EdgeClientError | undefined;
  readonly fullFor = new Set<DeviceId>();
  continuity: 'complete' | 'gap' = 'complete';
  /** Whether the supernode knows `message.send-batch`. */
  takesBatches = true;
  /** What the supernode was asked. */
  readonly requests: ClientRequestName[] = [];
  /** Messages that were stored. */
  stored = 0;
  /** Whether the devices have a `message` handler. */
  readonly hasApp: boolean;
  readonly #accounts: readonly TestAccount[];
  readonly #links = new Set<string>();
  readonly #timers = new Set<{
    readonly device: WorldDevice;
    readonly at: number;
    readonly action: () => void;
  }>();

  private constructor(accounts: readonly TestAccount[], newStore: () => MessageStore, hasApp: boolean) {
    this.hasApp = hasApp;
    this.#accounts = accounts;
    this.devices = accounts.flatMap(({ devices }) =>
      devices.map((device) => new WorldDevice(this, device, newStore())),
    );
  }

  static async of(
    accounts: readonly TestAccount[],
    newStore: () => MessageStore = () => new MemoryMessageStore(),
    { hasApp = true }: { readonly hasApp?: boolean } = {},
  ): Promise<MessageWorld> {
    const world = new MessageWorld(accounts, newStore, hasApp);
    for (const device of world.devices) await device.start();
    return world;
  }

  pinOf(userId: UserId) {
    const account = this.#accounts.find((one) => one.userId === userId);
    if (!account) throw new TypeError('No such account.');
    return account.pin;
  }

  verify(userId: UserId) {
    return this.listProblem ? Promise.reject(this.listProblem) : Promise.resolve(this.pinOf(userId));
  }

  /** Opens or ends the session between two devices. */
  setLink(a: WorldDevice, b: WorldDevice, isUp: boolean): void {
    if (a.party.deviceId === b.party.deviceId) return;
    if (isUp) this.#links.add(linkOf(a.party.deviceId, b.party.deviceId));
    else this.#links.delete(linkOf(a.party.deviceId, b.party.deviceId));
    if (!isUp) return;
    a.messages.roadOpened();
    b.messages.roadOpened();
  }

  isLinked(from: WorldDevice, to: DeviceId): boolean {
    return this.#links.has(linkOf(from.party.deviceId, to));
  }

  async direct(
    from: WorldDevice,
    to: DeviceId,
    copy: Parameters<MessagesContext['direct']>[1],
  ): Promise<boolean> {
    const fate = this.#nextFate();
    const target = this.#device(to);
    if (fate === 'lose-request' || !this.isLinked(from, to)) return false;
    const { userId, deviceId } = from.party;
    const isTaken = await target.messages.take({ from: { userId, deviceId }, ...copy });
    return isTaken && fate === 'ok';
  }

  async request(device: WorldDevice, name: ClientRequestName, payload: never): Promise<unknown> {
    if (!device.isOnline) throw edgeError('EDGE_NOT_CONNECTED');
    const fate = this.#nextFate();
    if (fate === 'lose-request') throw edgeError('EDGE_REQUEST_TIMEOUT');
    const answer = this.#serve(device, name, payload);
    if (fate === 'lose-answer') throw edgeError('EDGE_REQUEST_TIMEOUT');
    return Promise.resolve(answer);
  }

  after(device: WorldDevice, ms: number, action: () => void): () => void {
    const timer = { device, at: this.now + ms, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  forgetTimers(device: WorldDevice): void {
    for (const timer of this.#timers) if (timer.device === device) this.#timers.delete(timer);
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  async advance(ms: number): Promise<void> {
    this.now += ms;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.now)) {
      if (this.#timers.delete(timer)) timer.action();
    }
    await this.settle();
  }

  releaseEvents(device: WorldDevice): void {
    // The last one first: events may overtake each other.
    for (const items of device.heldEvents.splice(0).reverse()) device.messages.arrived(items);
  }

  /** Everything works again, until nothing is left to do. */
  async heal(): Promise<void> {
    this.fates = [];
    for (const device of this.devices) {
      // A handler that hangs ends with its process.
      if (device.mood === 'hang') {
        device.mood = 'acknowledge';
        await device.crash();
      }
      device.mood = 'acknowledge';
      device.isInvisible = false;
      device.connect();
      device.messages.relationsChanged();
    }
    for (let round = 0; round < 40; round += 1) await this.advance(61_000);
  }

  #serve(device: WorldDevice, name: ClientRequestName, payload: never): unknown {
    this.requests.push(name);
    if (name === 'message.send') return this.#store(device, payload);
    if (name === 'message.send-batch') return this.#storeEach(device, payload);
    if (name === 'mailbox.acknowledge') {
      const { cursors }: RequestOf<'mailbox.acknowledge'> = payload;
      device.mailbox.items = device.mailbox.items.filter(({ cursor }) => !cursors.includes(cursor));
      return {};
    }
    const { after }: RequestOf<'mailbox.read'> = payload;
    const items = device.mailbox.items.filter(({ cursor }) => cursor > after).slice(0, 3);
    const cursor = items.at(-1)?.cursor ?? after;
    const hasMore = device.mailbox.items.some((item) => item.cursor > cursor);
    return { items, hasMore, cursor, continuity: this.continuity };
  }

  #storeEach(
    sender: WorldDevice,
    { messages }: RequestOf<'message.send-batch'>,
  ): ResponseOf<'message.send-batch'> {
    if (!this.takesBatches)
      throw errorFromWire({ code: 'UNKNOWN_EVENT', message: 'unknown', retryable: false });
    const outcomes = messages.map((message) => {
      if (!message) return refused('BAD_REQUEST', 'malformed');
      try {
        return accepted(this.#store(sender, message));
      } catch (thrown) {
        if (!(thrown instanceof EdgeClientError)) throw thrown;
        return refused(thrown.code as WireErrorCode, thrown.message, thrown.retryAfterMs);
      }
    });
    return { outcomes };
  }

  #store(sender: WorldDevice, { copies, messageId }: RequestOf<'message.send'>): ResponseOf<'message.send'> {
    const refusal = this.refusals.shift();
    if (refusal) throw refusal;
    this.stored += 1;
    const { userId, deviceId } = sender.party;
    const full = copies.map(({ to }) => to.deviceId).filter((id) => this.fullFor.has(id));
    for (const { to, envelope } of copies) {
      if (full.includes(to.deviceId)) continue;
      const target = this.#device(to.deviceId);
      const item = target.mailbox.put({
        ...{ messageId, from: { userId, deviceId }, envelope, storedAt: this.now, isRequest: false },
      });
      if (item && target.isOnline) this.#announce(target, item);
    }
    return { storedAt: this.now, full };
  }

  #announce(target: WorldDevice, item: MailboxItem): void {
    const fate = this.#nextFate();
    if (fate === 'ok') target.messages.arrived([item]);
    else if (fate === 'lose-answer') target.heldEvents.push([item]);
  }

  #device(deviceId: DeviceId): WorldDevice {
    const device = this.devices.find(({ party }) => party.deviceId === deviceId);
    if (!device) throw new TypeError('No such device.');
    return device;
  }

  #nextFate(): Fate {
    return this.fates.shift() ?? 'ok';
  }
}

function linkOf(a: DeviceId, b: DeviceId): string {
  return [a, b].sort().join(' ');
}

/** A store that a crashed process cannot reach any more. */
function fenced(store: MessageStore, isAlive: () => boolean): MessageStore {
  const guard = <Args extends readonly unknown[], Result>(action: (...args: Args) => Promise<Result>) => {
    return (...args: Args): Promise<Result> => (isAlive() ? action(...args) : never());
  };
  return {
    load: guard(() => store.load()),
    commit: guard((changes) => store.commit(changes)),
    find: guard((key) => store.find(key)),
    history: guard((conversation, query) => store.history(conversation, query)),
    inState: guard((...states) => store.inState(...states)),
    close: guard(() => Promise.resolve()),
    has: (key) => store.has(key),
  };
}

function contactOf(userId: UserId, state: Contact['state'] | undefined): Contact | undefined {
  return state && { userId, handle: null, displayName: null, state, since: 1 };
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
