import type { UserId } from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { TypedEvents } from '../client/typed-events.ts';
import { edgeError, EdgeClientError } from '../errors.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { extendChain, type DeviceListPin } from './device-list-chain.ts';
import type { Identity } from './identity.ts';

/** How long a verified list may be used without asking for a newer one, unless the supernode announces a change. */
const FRESH_MS = 60_000;
/** Bounds what a supernode can make us read for one user: far more versions than any account has. */
const MAX_ANSWERS = 64;

interface TrustEvents {
  /** A device list was refused: an app should tell its user. */
  readonly refused: { readonly userId: UserId; readonly error: EdgeClientError };
  readonly changed: { readonly userId: UserId; readonly pin: DeviceListPin };
}

/** Which devices a user has, by verified chains only. */
export class DeviceTrust {
  readonly #identity: Identity;
  readonly #clock: ClientClock;
  readonly #events = new TypedEvents<TrustEvents>();
  readonly #freshUntil = new Map<UserId, number>();
  readonly #running = new Map<UserId, Promise<DeviceListPin>>();

  constructor(identity: Identity, clock: ClientClock) {
    this.#identity = identity;
    this.#clock = clock;
  }

  on<Name extends keyof TrustEvents>(name: Name, listener: (event: TrustEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Events may have been lost: every list is asked for again before its next use. */
  expireAll(): void {
    this.#freshUntil.clear();
  }

  /** The supernode announced a version; an older one than the pinned is no news. */
  expire(userId: UserId, version: number): void {
    if (version > (this.#identity.pinOf(userId)?.version ?? 0)) this.#freshUntil.delete(userId);
  }

  /** @throws EDGE_GHOST_DEVICE, EDGE_DEVICE_LIST_INVALID, EDGE_DEVICE_LIST_ROLLBACK, EDGE_ROOT_CHANGED, NOT_FOUND */
  async verified(userId: UserId, request: SendRequest): Promise<DeviceListPin> {
    const pin = this.#identity.pinOf(userId);
    const freshUntil = this.#freshUntil.get(userId) ?? 0;
    if (pin && this.#clock.monotonic() < freshUntil) return pin;
    return this.refresh(userId, request);
  }

  refresh(userId: UserId, request: SendRequest): Promise<DeviceListPin> {
    const running = this.#running.get(userId);
    if (running) return running;
    const refreshing = this.#refresh(userId, request).finally(() => this.#running.delete(userId));
    this.#running.set(userId, refreshing);
    return refreshing;
  }

  async #refresh(userId: UserId, request: SendRequest): Promise<DeviceListPin> {
    try {
      const before = this.#identity.pinOf(userId);
      const pin = await this.#fetch(userId, before, request);
      if (pin.version !== before?.version) {
        await this.#identity.setPin(userId, pin);
        this.#events.emit('changed', { userId, pin });
      }
      this.#freshUntil.set(userId, this.#clock.monotonic() + FRESH_MS);
      return pin;
    } catch (thrown) {
      if (thrown instanceof EdgeClientError && thrown.code.startsWith('EDGE_')) {
        this.#freshUntil.delete(userId);
        if (SECURITY_CODES.has(thrown.code)) this.#events.emit('refused', { userId, error: thrown });
      }
      throw thrown;
    }
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
