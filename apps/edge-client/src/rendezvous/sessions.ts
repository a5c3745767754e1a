import { setTimeout as delay } from 'node:timers/promises';
import {
  decodeBase64url,
  LIMITS,
  type CallDescription,
  type DeviceId,
  type EventOf,
  type SessionId,
  type UserId,
} from '@parley/protocol';
import { TypedEvents } from '../client/typed-events.ts';
import { edgeError, EdgeClientError, errorFromWire } from '../errors.ts';
import { findDevice, type DeviceListPin } from '../identity/device-list-chain.ts';
import { deviceIdOf } from '../identity/keys.ts';
import type { Session } from '../session/session.ts';
import { IncomingSession, type SessionRequest } from './incoming-session.ts';
import { OutgoingSession, type CallProposal, type PathPolicy } from './outgoing-session.ts';
import { selfParty, type RendezvousContext } from './rendezvous-context.ts';
import { ReplayWindow } from './replay-window.ts';
import { checkOffer, type Party, type VerifiedParty } from './signed-session.ts';

/** Whom to call: a user (the first device that answers), or one device. */
export type SessionTarget = UserId | { readonly userId: UserId; readonly deviceId?: DeviceId };

/** Options of `openSession`. */
export interface OpenSessionOptions {
  /** @default 'any' */
  readonly policy?: PathPolicy;
  /** How long to ring and connect, in milliseconds. @default 30 000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Which offers become sessions without asking the app. */
export type AutoAccept =
  'contacts' | 'none' | ((request: Pick<SessionRequest, 'from' | 'isContact' | 'policy'>) => boolean);

/** How {@link Sessions.prepare} makes an offer. */
export interface PrepareOptions extends OpenSessionOptions {
  readonly id?: SessionId;
  readonly call?: CallProposal;
}

interface SessionEvents {
  /** An offer that was not accepted by itself. */
  readonly request: SessionRequest;
  /** An offer that was accepted by itself. */
  readonly session: { readonly session: Session; readonly peer: Party };
  /** An accepted offer that came to nothing, or one that `autoAccept` failed to judge. */
  readonly failed: { readonly peer: Party; readonly error: EdgeClientError };
  /** Every session that is open now, whoever asked for it. */
  readonly opened: { readonly session: Session; readonly peer: Party };
  /** An approved contact calls; nothing is accepted by itself. */
  readonly call: IncomingSession;
}

/** Signed messages that are judged within one replay window: more than any device receives. */
const REPLAY_CAPACITY = 4096;
/** Offers in verification or waiting for the app. */
const MAX_PENDING_OFFERS = LIMITS.maxOpenOffersPerDevice * 2;
/** From a question for the caller's devices that could not be answered to the next one. */
const LIST_RETRY_MS = 250;
/** The clocks of two devices, both read from their supernode, differ by less than this. */
const CLOCK_TOLERANCE_MS = 5000;

/** Opens sessions and takes those of others: offers, answers, candidates, and the table of what is open. */
export class Sessions {
  /** @default 'contacts' */
  autoAccept: AutoAccept = 'contacts';
  readonly #context: RendezvousContext;
  readonly #events = new TypedEvents<SessionEvents>();
  readonly #outgoing = new Map<SessionId, OutgoingSession>();
  readonly #incoming = new Map<string, IncomingSession>();
  readonly #open = new Map<Session, Party>();
  /** What ended before it was known here, as when an offer and its end arrive together. */
  readonly #over = new ReplayWindow({ windowMs: LIMITS.replayWindowMs, capacity: REPLAY_CAPACITY });
  readonly #replays = new ReplayWindow({ windowMs: 2 * LIMITS.replayWindowMs, capacity: REPLAY_CAPACITY });
  readonly #startedAt: () => number;
  #verifying = 0;

  /** `startedAt`: when this client first signed in, by the supernode's clock: no earlier offer can be for it. */
  constructor(context: RendezvousContext, startedAt: () => number) {
    this.#context = context;
    this.#startedAt = startedAt;
    const { signalling } = context;
    signalling.onEvent('session.offered', (event) => void this.#offered(event));
    signalling.onEvent('session.answered', (event) => {
      const outgoing = this.#outgoing.get(event.sessionId);
      if (outgoing) outgoing.answer(event);
      else context.drops.count('answer-unknown-session');
    });
    signalling.onEvent('session.candidates', (event) => {
      const session = this.#outgoing.get(event.sessionId) ?? this.#incoming.get(keyOf(event));
      if (session) session.candidates(event);
      else context.drops.count('candidates-unknown-session');
    });
    signalling.onEvent('session.ringing', ({ sessionId, from }) => {
      const outgoing = this.#outgoing.get(sessionId);
      if (outgoing) outgoing.ringing(from);
      else context.drops.count('ringing-unknown-session');
    });
    signalling.onEvent('session.ended', (event) => this.#endedByServer(event));
  }

  on<Name extends keyof SessionEvents>(
    name: Name,
    listener: (event: SessionEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  /** The other end of a session that this client has open. */
  peerOf(session: Session): Party | undefined {
    return this.#open.get(session);
  }

  /** @throws EDGE_GHOST_DEVICE, EDGE_ROOT_CHANGED, EDGE_PEER_REJECTED, EDGE_PEER_NO_ANSWER, PEER_UNAVAILABLE, … */
  async open(target: SessionTarget, options: OpenSessionOptions = {}): Promise<Session> {
    const outgoing = await this.prepare(target, options);
    return (await this.run(outgoing)).session;
  }

  /** Makes ready what {@link run} offers, once it is sure of the callee's devices. */
  async prepare(target: SessionTarget, options: PrepareOptions = {}): Promise<OutgoingSession> {
    const { userId, deviceId } =
      typeof target === 'string' ? { userId: target, deviceId: undefined } : target;
    const pin = await this.#context.trust.verified(userId, this.#context.signalling.request);
    return new OutgoingSession(this.#context, {
      id: options.id,
      to: userId,
      devices: this.#callees(userId, pin, deviceId),
      policy: options.policy ?? 'any',
      timeoutMs: options.timeoutMs ?? 30_000,
      signal: options.signal,
      call: options.call,
    });
  }

  /** Offers, and resolves when the handshake is done. */
  async run(outgoing: OutgoingSession): Promise<{ readonly session: Session; readonly peer: Party }> {
    this.#outgoing.set(outgoing.id, outgoing);
    const { session, peer } = await outgoing.run(() => this.#outgoing.delete(outgoing.id));
    this.#remember(session, peer);
    return { session, peer };
  }

  /** Accepts a call that {@link on} told of. */
  async acceptCall(incoming: IncomingSession, onAnswered: () => void): Promise<Session> {
    const session = await incoming.accept(onAnswered);
    this.#remember(session, incoming.from);
    return session;
  }

  /** Ends everything at once. */
  close(error: EdgeClientError): void {
    for (const outgoing of [...this.#outgoing.values()]) outgoing.abandon(error);
    for (const incoming of [...this.#incoming.values()]) incoming.over('client-closed');
    for (const session of [...this.#open.keys()]) session.abort(error);
  }

  #callees(userId: UserId, pin: DeviceListPin, deviceId: DeviceId | undefined): readonly VerifiedParty[] {
    const self = selfParty(this.#context);
    if (deviceId !== undefined && !findDevice(pin, deviceId)) throw edgeError('EDGE_GHOST_DEVICE');
    const devices = pin.devices
      .map((device) => ({ userId, deviceId: deviceIdOfKey(device.key), key: device.key }))
      .filter((party) => party.deviceId !== self.deviceId)
      .filter((party) => deviceId === undefined || party.deviceId === deviceId);
    if (devices.length === 0) {
      throw errorFromWire({
        code: 'PEER_UNAVAILABLE',
        message: 'The user has no other device.',
        retryable: true,
      });
    }
    return devices;
  }

  async #offered(event: EventOf<'session.offered'>): Promise<void> {
    const { drops } = this.#context;
    if (this.#verifying + this.#incoming.size >= MAX_PENDING_OFFERS + this.#open.size) {
      drops.count('offer-limit');
      return;
    }
    this.#verifying += 1;
    const incoming = await this.#verify(event).finally(() => {
      this.#verifying -= 1;
    });
    if (!incoming) return;
    if (this.#over.has(event.sessionId, this.#context.clock.monotonic())) {
      drops.count('offer-ended');
      incoming.over('cancelled');
      return;
    }
    this.#incoming.set(keyOf(event), incoming);
    if (incoming.call) this.#events.emit('call', incoming);
    else await this.#decide(incoming);
  }

  async #decide(incoming: IncomingSession): Promise<void> {
    let isAccepted: boolean;
    try {
      isAccepted = this.#accepts(incoming);
    } catch (cause) {
      await this.#decline(incoming, edgeError('EDGE_AUTO_ACCEPT_FAILED', { cause }));
      return;
    }
    if (isAccepted) await this.#accept(incoming);
    else this.#events.emit('request', this.#asRequest(incoming));
  }

  /** A contact is told; to a stranger nothing says that anybody is there. */
  async #decline(incoming: IncomingSession, error: EdgeClientError): Promise<void> {
    this.#events.emit('failed', { peer: incoming.from, error });
    if (incoming.isContact) await incoming.reject().catch(() => incoming.over('expired'));
    else incoming.over('expired');
  }

  async #verify(event: EventOf<'session.offered'>): Promise<IncomingSession | undefined> {
    const { drops, serverNow, isContact, clock } = this.#context;
    const caller = await this.#verifiedCaller(event);
    if (!caller) return undefined;
    const checked = checkOffer(event.offer, event.flight, {
      sessionId: event.sessionId,
      from: caller,
      to: selfParty(this.#context),
      now: serverNow(),
    });
    if (!checked.ok) {
      drops.count(`offer-${checked.reason}`);
      return undefined;
    }
    if (checked.value.issuedAt < this.#startedAt() - CLOCK_TOLERANCE_MS) {
      drops.count('offer-before-start');
      return undefined;
    }
    if (!isSameCall(event.call, checked.value.call)) {
      drops.count('offer-call-mismatch');
      return undefined;
    }
    // Never shown, never refused: like any offer of a stranger, it ends when it expires.
    if (event.call && !isContact(caller.userId)) {
      drops.count('call-from-stranger');
      return undefined;
    }
    const verdict = this.#replays.judge(keyOf(event), clock.monotonic());
    if (verdict !== 'fresh') {
      drops.count(verdict === 'full' ? 'offer-replay-window-full' : 'offer-replayed');
      return undefined;
    }
    return new IncomingSession(this.#context, {
      event,
      offer: checked.value,
      caller,
      isContact: isContact(caller.userId),
      onEnd: () => this.#incoming.delete(keyOf(event)),
    });
  }

  /**
   * Asks again for as long as the offer stands: one that came just before the connection broke, or is replayed before this
   * client is online again, does not come a second time.
   */
  async #verifiedCaller({
    from,
    expiresInMs,
  }: EventOf<'session.offered'>): Promise<VerifiedParty | undefined> {
    const { trust, signalling, drops, clock } = this.#context;
    const until = clock.monotonic() + Math.min(expiresInMs, LIMITS.maxOfferLifetimeMs);
    for (;;) {
      try {
        const known = findDevice(await trust.verified(from.userId, signalling.request), from.deviceId);
        // A device that was added since we last asked is no ghost yet.
        const device =
          known ?? findDevice(await trust.refresh(from.userId, signalling.request), from.deviceId);
        if (device) return { ...from, key: device.key };
        drops.count('offer-unknown-device');
        return undefined;
      } catch (thrown) {
        if (!(thrown instanceof EdgeClientError)) throw thrown;
        if (!thrown.retryable || clock.monotonic() + LIST_RETRY_MS > until) {
          drops.count('offer-list-refused');
          return undefined;
        }
      }
      await delay(LIST_RETRY_MS);
    }
  }

  #accepts(incoming: IncomingSession): boolean {
    if (this.autoAccept === 'none') return false;
    return this.autoAccept === 'contacts' ? incoming.isContact : this.autoAccept(incoming);
  }

  async #accept(incoming: IncomingSession): Promise<void> {
    const peer = incoming.from;
    try {
      const session = await incoming.accept();
      this.#remember(session, peer);
      this.#events.emit('session', { session, peer });
    } catch (thrown) {
      if (!(thrown instanceof EdgeClientError)) throw thrown;
      this.#events.emit('failed', { peer, error: thrown });
    }
  }

  /** What the app gets: accepting enters the session into the table. */
  #asRequest(incoming: IncomingSession): SessionRequest {
    return {
      sessionId: incoming.sessionId,
      from: incoming.from,
      isContact: incoming.isContact,
      policy: incoming.policy,
      expiresInMs: incoming.expiresInMs,
      ended: incoming.ended,
      reject: (reason) => incoming.reject(reason),
      accept: async () => {
        const session = await incoming.accept();
        this.#remember(session, incoming.from);
        return session;
      },
    };
  }

  #remember(session: Session, peer: Party): void {
    const party = { userId: peer.userId, deviceId: peer.deviceId };
    this.#open.set(session, party);
    this.#events.emit('opened', { session, peer: party });
    void session.closed.then(() => this.#open.delete(session));
  }

  #endedByServer({ sessionId, reason }: EventOf<'session.ended'>): void {
    const outgoing = this.#outgoing.get(sessionId);
    const incoming = [...this.#incoming.values()].filter((session) => session.sessionId === sessionId);
    outgoing?.ended(reason);
    for (const session of incoming) session.over(reason);
    if (outgoing || incoming.length > 0) return;
    this.#over.judge(sessionId, this.#context.clock.monotonic());
    this.#context.drops.count('ended-unknown-session');
  }
}

/** The supernode's word for what an offer is, against the caller's. */
function isSameCall(told: CallDescription | undefined, signed: CallDescription | undefined): boolean {
  return JSON.stringify(told?.media) === JSON.stringify(signed?.media);
}

/** Two callers may choose one session id; together with the caller's device it is one offer's. */
function keyOf({ sessionId, from }: { readonly sessionId: SessionId; readonly from: Party }): string {
  return `${sessionId} ${from.deviceId}`;
}

function deviceIdOfKey(key: string): DeviceId {
  return deviceIdOf(decodeBase64url(key) ?? new Uint8Array(0));
}
