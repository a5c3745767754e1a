import type { UserId } from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { TypedEvents } from '../client/typed-events.ts';
import { edgeError, EdgeClientError } from '../errors.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { extendChain, type DeviceListPin } from './device-list-chain.ts';
import type { Identity } from './identity.ts';

/** How long a verified list of a user whose changes nobody announces may be used without asking for a newer one. */
const FRESH_MS = 60_000;
/** Bounds what a supernode can make us read for one user: far more versions than any account has. */
const MAX_ANSWERS = 64;

interface TrustEvents {
  /** A device list was refused: an app should tell its user. */
  readonly refused: { readonly userId: UserId; readonly error: EdgeClientError };
  readonly changed: { readonly userId: UserId; readonly pin: DeviceListPin };
}

export interface DeviceTrustOptions {
  readonly identity: Identity;
  readonly clock: ClientClock;
  /** Whether the supernode would tell us now of a change: the list of a contact stays fresh as long as it would. */
  readonly isKeptInformed: (userId: UserId) => boolean;
}

/** Which devices a user has, by verified chains only. */
export class DeviceTrust {
  readonly #identity: Identity;
  readonly #clock: ClientClock;
  readonly #isKeptInformed: (userId: UserId) => boolean;
  readonly #events = new TypedEvents<TrustEvents>();
  readonly #freshUntil = new Map<UserId, number>();
  /** Whose pinned list was the newest when it was last asked for or told of, with every change announced since. */
  readonly #current = new Set<UserId>();
  /** Versions that are announced and not pinned yet. */
  readonly #announced = new Map<UserId, number>();
  /** Counts the times when announcements may have been lost. */
  #gaps = 0;
  readonly #running = new Map<UserId, Promise<DeviceListPin>>();

  constructor({ identity, clock, isKeptInformed }: DeviceTrustOptions) {
    this.#identity = identity;
    this.#clock = clock;
    this.#isKeptInformed = isKeptInformed;
  }

  on<Name extends keyof TrustEvents>(name: Name, listener: (event: TrustEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Events may have been lost: every list is asked for again before its next use. */
  expireAll(): void {
    this.#gaps += 1;
    this.#freshUntil.clear();
    this.#current.clear();
    this.#announced.clear();
  }

  /** The supernode announced a version; an older one than the pinned is no news. */
  expire(userId: UserId, version: number): void {
    if (version <= (this.#identity.pinOf(userId)?.version ?? 0)) return;
    this.forget(userId);
    // Bounded by the contacts: a supernode that announces strangers fills no memory.
    if (this.#isKeptInformed(userId))
      this.#announced.set(userId, Math.max(version, this.#announced.get(userId) ?? 0));
  }

  /** Changes of this user's list are not announced any more. */
  forget(userId: UserId): void {
    this.#freshUntil.delete(userId);
    this.#current.delete(userId);
    this.#announced.delete(userId);
  }

  /**
   * What the supernode says is the newest version of a user whose changes it announces: where that is the pinned one, it is not
   * asked for again. A lower one is not believed: the next question finds out.
   */
  confirm(userId: UserId, version: number): void {
    if (version === this.#identity.pinOf(userId)?.version && version >= (this.#announced.get(userId) ?? 0))
      this.#current.add(userId);
  }

  /** @throws EDGE_GHOST_DEVICE, EDGE_DEVICE_LIST_INVALID, EDGE_DEVICE_LIST_ROLLBACK, EDGE_ROOT_CHANGED, NOT_FOUND */
  async verified(userId: UserId, request: SendRequest): Promise<DeviceListPin> {
    const pin = this.#identity.pinOf(userId);
    return pin && this.#isFresh(userId) ? pin : this.refresh(userId, request);
  }

  refresh(userId: UserId, request: SendRequest): Promise<DeviceListPin> {
    const running = this.#running.get(userId);
    if (running) return running;
    const refreshing = this.#refresh(userId, request).finally(() => this.#running.delete(userId));
    this.#running.set(userId, refreshing);
    return refreshing;
  }

  #isFresh(userId: UserId): boolean {
    if (this.#current.has(userId) && this.#isKeptInformed(userId)) return true;
    return this.#clock.monotonic() < (this.#freshUntil.get(userId) ?? 0);
  }

  async #refresh(userId: UserId, request: SendRequest): Promise<DeviceListPin> {
    const gaps = this.#gaps;
    // Of a user who becomes a contact while the answer is on its way a change may have been missed.
    const wasKeptInformed = this.#isKeptInformed(userId);
    try {
      const before = this.#identity.pinOf(userId);
      const pin = await this.#fetch(userId, before, request);
      if (pin.version !== before?.version) {
        await this.#identity.setPin(userId, pin);
        this.#events.emit('changed', { userId, pin });
      }
      if (gaps === this.#gaps) this.#settle(userId, pin.version, wasKeptInformed);
      return pin;
    } catch (thrown) {
      if (thrown instanceof EdgeClientError && thrown.code.startsWith('EDGE_')) {
        this.forget(userId);
        if (SECURITY_CODES.has(thrown.code)) this.#events.emit('refused', { userId, error: thrown });
      }
      throw thrown;
    }
  }

  #settle(userId: UserId, version: number, wasKeptInformed: boolean): void {
    if (version < (this.#announced.get(userId) ?? 0)) return;
    this.#announced.delete(userId);
    this.#freshUntil.set(userId, this.#clock.monotonic() + FRESH_MS);
    if (wasKeptInformed) this.#current.add(userId);
  }

  async #fetch(
    userId: UserId,
    from: DeviceListPin | undefined,
    request: SendRequest,
  ): Promise<DeviceListPin> {
    let pin = from;
    for (let answers = 0; answers < MAX_ANSWERS; answers += 1) {
      const { lists, complete } = await request('account.devices', {
        userId,
        sinceVersion: pin?.version ?? 0,
      });
      pin = extendChain({ tenant: this.#identity.tenant, userId }, pin, lists);
      if (complete) {
        if (!pin) throw edgeError('EDGE_DEVICE_LIST_INVALID', { message: 'The user has no device list.' });
        return pin;
      }
      if (lists.length === 0) break;
    }
    throw edgeError('EDGE_PROTOCOL_VIOLATION');
  }
}

const SECURITY_CODES: ReadonlySet<string> = new Set([
  'EDGE_GHOST_DEVICE',
  'EDGE_DEVICE_LIST_INVALID',
  'EDGE_DEVICE_LIST_ROLLBACK',
  'EDGE_ROOT_CHANGED',
]);
