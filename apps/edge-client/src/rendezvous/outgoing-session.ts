import { randomBytes } from 'node:crypto';
import type { NatReport } from '@parley/nat';
import {
  decodeBase64url,
  encodeBase64url,
  LIMITS,
  type CallDescription,
  type DeviceId,
  type EventOf,
  type RequestInputOf,
  type SessionAnswer,
  type SessionId,
  type SessionOffer,
  type Signed,
  type UserId,
} from '@parley/protocol';
import { asEdgeError, edgeError, errorFromWire, type EdgeClientError } from '../errors.ts';
import { signPayload } from '../identity/signing.ts';
import { deferred } from '../session/deferred.ts';
import { CallerHandshake } from '../session/session-handshake.ts';
import type { Session } from '../session/session.ts';
import { EstablishedSession } from './established-session.ts';
import { decodeFlight, encodeFlight } from './flight-coding.ts';
import type { PathNegotiation } from './path-negotiation.ts';
import { askPatiently } from './patient-request.ts';
import { dataKeyOf, negotiatePath, selfParty, type RendezvousContext } from './rendezvous-context.ts';
import { sessionPathOf } from './session-path.ts';
import { checkAnswer, type Party, type VerifiedParty } from './signed-session.ts';

/** How a session may travel. */
export type PathPolicy = SessionOffer['policy'];

/** What makes a session a call, and who watches over it. */
export interface CallProposal {
  readonly description: CallDescription;
  /** A device of the callee rings: once per device, by the supernode's word. */
  onRinging(device: Party): void;
  /** A device of the callee accepted; its media are on their way. */
  onAnswered(device: Party): void;
}

export interface OutgoingOptions {
  /** @default a random one */
  readonly id?: SessionId | undefined;
  readonly to: UserId;
  /** The callee's devices, of its verified list. */
  readonly devices: readonly VerifiedParty[];
  readonly policy: PathPolicy;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly call?: CallProposal | undefined;
}

/** The supernode ends a call that nobody answers, so that all devices hear the same; this is for when it is away. */
const RING_GRACE_MS = 3000;
/** From the answer to a call until its media flow. */
const CALL_CONNECT_MS = 15_000;

/** The offer to one device of the callee. */
interface Leg {
  readonly peer: VerifiedParty;
  readonly handshake: CallerHandshake;
  readonly negotiation: PathNegotiation;
  readonly offer: Signed;
  readonly release: () => void;
}

const ENDED_ERRORS = {
  cancelled: () => edgeError('EDGE_SESSION_CANCELLED'),
  rejected: () => edgeError('EDGE_PEER_REJECTED'),
  busy: () => edgeError('EDGE_PEER_BUSY'),
  'answered-elsewhere': () => edgeError('EDGE_ANSWERED_ELSEWHERE'),
  unavailable: () =>
    errorFromWire({ code: 'PEER_UNAVAILABLE', message: 'The peer cannot be reached.', retryable: true }),
  expired: () => edgeError('EDGE_PEER_NO_ANSWER'),
  'hung-up': () => edgeError('EDGE_SESSION_CANCELLED'),
  lost: () => edgeError('EDGE_SESSION_CANCELLED'),
  failed: () => edgeError('EDGE_SESSION_CANCELLED'),
} as const satisfies Record<EventOf<'session.ended'>['reason'], () => EdgeClientError>;

/** One call of `openSession`: offers to every device, the first verified answer becomes the session. */
export class OutgoingSession {
  readonly id: SessionId;
  readonly #context: RendezvousContext;
  readonly #options: OutgoingOptions;
  readonly #legs = new Map<DeviceId, Leg>();
  readonly #answered = deferred<EstablishedSession>();
  readonly #failure = deferred<never>();
  readonly #startedAt: number;
  #phase: 'offering' | 'connecting' | 'done' = 'offering';
  #established: EstablishedSession | undefined;
  #timer: NodeJS.Timeout | undefined;
  #yieldsTo: SessionId | undefined;
  readonly #ringing = new Set<DeviceId>();
  #onEnd: () => void = () => undefined;

  constructor(context: RendezvousContext, options: OutgoingOptions) {
    this.#context = context;
    this.#options = options;
    this.id = options.id ?? newSessionId();
    this.#startedAt = context.clock.monotonic();
  }

  /** Resolves with a session whose handshake is done and that has a path. Any other end leaves nothing behind. `onEnd` is called once. */
  async run(onEnd: () => void): Promise<EstablishedSession> {
    this.#onEnd = onEnd;
    const { signal } = this.#options;
    this.#armTimer(this.#patienceMs());
    const onAbort = () => this.#fail(edgeError('EDGE_ABORTED'));
    signal?.addEventListener('abort', onAbort);
    try {
      if (signal?.aborted) throw edgeError('EDGE_ABORTED');
      const nat = await Promise.race([this.#context.endpoint().freshNat(), this.#failure.promise]);
      for (const peer of this.#options.devices) this.#legs.set(peer.deviceId, this.#makeLeg(peer, nat));
      this.#sendOffers();
      const established = await Promise.race([this.#answered.promise, this.#failure.promise]);
      await Promise.race([established.usable, this.#failure.promise]);
      this.#phase = 'done';
      return established;
    } catch (thrown) {
      throw this.#dismantle(asEdgeError(thrown, 'EDGE_PATH_FAILED'));
    } finally {
      clearTimeout(this.#timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** The supernode brought an answer. A wrong one ends the call: no right one will follow, it counts as the first. */
  answer(event: EventOf<'session.answered'>): void {
    const leg = this.#legs.get(event.from.deviceId);
    if (this.#phase !== 'offering') {
      this.#context.drops.count('answer-late');
      return;
    }
    if (!leg || event.from.userId !== this.#options.to) {
      this.#fail(edgeError('EDGE_GHOST_DEVICE'));
      return;
    }
    const checked = checkAnswer(event.answer, event.flight, {
      sessionId: this.id,
      from: leg.peer,
      to: selfParty(this.#context),
      now: this.#context.serverNow(),
      offer: leg.offer,
    });
    if (!checked.ok) {
      this.#fail(edgeError('EDGE_ANSWER_INVALID', { cause: checked.reason }));
      return;
    }
    if (checked.value.stage === 'early') {
      this.#prepare(leg, checked.value);
      return;
    }
    try {
      leg.handshake.acceptAnswer(decodeFlight(event.flight));
    } catch (thrown) {
      this.#fail(asEdgeError(thrown, 'EDGE_ANSWER_INVALID'));
      return;
    }
    this.#phase = 'connecting';
    this.#keepOnly(leg);
    if (this.#options.call) this.#armTimer(CALL_CONNECT_MS);
    const session = leg.handshake.complete(sessionPathOf(leg.negotiation));
    leg.negotiation.begin(checked.value.ice, checked.value.candidates, event);
    leg.negotiation.path.releaseDirect();
    void leg.negotiation.traverse(checked.value);
    this.#answered.resolve(this.#establish(leg, session));
    this.#options.call?.onAnswered({ userId: leg.peer.userId, deviceId: leg.peer.deviceId });
  }

  /** A device that rings has found a way to us: we look for ours, and nothing but checks may flow before its user accepted. */
  #prepare(leg: Leg, { ice, candidates }: SessionAnswer): void {
    const isWanted = this.#options.call && this.#context.isContact(leg.peer.userId);
    if (!isWanted || !leg.negotiation.beginEarly(ice, candidates)) this.#context.drops.count('answer-early');
  }

  /** A device rings, the supernode says. Only a device that was offered the call can. */
  ringing(from: Party): void {
    const { call, to } = this.#options;
    const isExpected = call && from.userId === to && this.#legs.has(from.deviceId);
    if (!isExpected || this.#phase !== 'offering' || this.#ringing.has(from.deviceId)) {
      this.#context.drops.count('ringing-unexpected');
      return;
    }
    this.#ringing.add(from.deviceId);
    call.onRinging(from);
  }

  /** Takes the offers back; `yieldsTo` names the peer's call that goes on instead. */
  withdraw(yieldsTo?: SessionId): void {
    this.#yieldsTo = yieldsTo;
    this.#fail(edgeError('EDGE_ABORTED'));
  }

  candidates(event: EventOf<'session.candidates'>): void {
    const leg = this.#legs.get(event.from.deviceId);
    const reason = leg
      ? leg.negotiation.receive(event.candidates, event.observedAddresses)
      : 'unknown-session';
    if (reason !== undefined) this.#context.drops.count(`candidates-${reason}`);
  }

  ended(reason: EventOf<'session.ended'>['reason']): void {
    this.#fail(ENDED_ERRORS[reason]());
  }

  /** The client closes. */
  abandon(error: EdgeClientError): void {
    this.#fail(error);
  }

  #makeLeg(peer: VerifiedParty, nat: NatReport | undefined): Leg {
    const peerKey = decodeBase64url(peer.key) ?? new Uint8Array(0);
    const { identity } = this.#context;
    const handshake = new CallerHandshake({
      deviceKey: identity.deviceKey.privateKey,
      peerKey,
      hasControlStream: true,
      idleTimeoutMs: Math.max(30_000, this.#patienceMs()),
    });
    const negotiation = negotiatePath(this.#context, {
      role: 'controlling',
      sessionId: this.id,
      peer,
      policy: this.#options.policy,
      // Who is no contact learns our addresses only by accepting.
      holdDirect: !this.#context.isContact(peer.userId),
    });
    const release = this.#context.endpoint().claim(handshake.connectionIds, dataKeyOf(this.id, peer));
    const offer: SessionOffer = {
      sessionId: this.id,
      from: selfParty(this.#context),
      to: { userId: peer.userId, deviceId: peer.deviceId },
      issuedAt: this.#context.serverNow(),
      ...negotiation.describe(nat),
      flightHash: encodeBase64url(handshake.flight.sha256),
      expiresInMs: this.#expiresInMs(),
      policy: this.#options.policy,
      ...this.#callPart(),
    };
    const signed = signPayload('sessionOffer', offer, identity.deviceKey);
    return { peer, handshake, negotiation, release, offer: signed };
  }

  #callPart(): { readonly call?: CallDescription } {
    const { call } = this.#options;
    return call ? { call: call.description } : {};
  }

  #patienceMs(): number {
    const { call, timeoutMs } = this.#options;
    return call ? timeoutMs + RING_GRACE_MS : timeoutMs;
  }

  #armTimer(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(this.#timeoutError()), delayMs);
  }

  #expiresInMs(): number {
    return Math.min(LIMITS.maxOfferLifetimeMs, Math.max(1000, Math.round(this.#options.timeoutMs)));
  }

  #sendOffers(): void {
    const offers = [...this.#legs.values()].map((leg) => ({
      deviceId: leg.peer.deviceId,
      offer: leg.offer,
      flight: encodeFlight(leg.handshake.flight.packets),
    }));
    const { signalling, clock } = this.#context;
    const offer = () =>
      signalling.request('session.offer', {
        sessionId: this.id,
        to: this.#options.to,
        expiresInMs: this.#expiresInMs(),
        ...this.#callPart(),
        offers,
      });
    askPatiently(offer, { clock, isWanted: () => this.#phase === 'offering' }).then(
      () => this.#legs.forEach((leg) => leg.negotiation.open()),
      (thrown: unknown) => this.#fail(asEdgeError(thrown, 'EDGE_CONNECTION_LOST')),
    );
  }

  #establish(leg: Leg, session: Session): EstablishedSession {
    this.#established = new EstablishedSession(this.#context, {
      session,
      sessionId: this.id,
      peer: leg.peer,
      role: 'caller',
      negotiation: leg.negotiation,
      startedAt: this.#startedAt,
      onEnd: () => {
        leg.release();
        this.#onEnd();
      },
    });
    return this.#established;
  }

  #keepOnly(winner: Leg | undefined): void {
    for (const leg of this.#legs.values()) {
      if (leg === winner) continue;
      leg.handshake.abandon();
      leg.negotiation.close();
      leg.release();
    }
    this.#legs.clear();
    if (winner) this.#legs.set(winner.peer.deviceId, winner);
  }

  #timeoutError(): EdgeClientError {
    return edgeError(this.#phase === 'offering' ? 'EDGE_PEER_NO_ANSWER' : 'EDGE_PATH_FAILED');
  }

  #fail(error: EdgeClientError): void {
    if (this.#phase !== 'done') this.#failure.reject(error);
  }

  #cancellation(): RequestInputOf<'session.cancel'> {
    const sessionId = this.id;
    return this.#yieldsTo === undefined ? { sessionId } : { sessionId, yieldsTo: this.#yieldsTo };
  }

  #dismantle(error: EdgeClientError): EdgeClientError {
    const { signalling, clock } = this.#context;
    const cancel = () => signalling.request('session.cancel', this.#cancellation());
    // The offers may be answered or unknown by now, or the supernode away for long; then their lifetime ends them.
    if (this.#phase === 'offering')
      askPatiently(cancel, { clock, forMs: this.#expiresInMs(), isRepeatable: true }).catch(() => undefined);
    this.#phase = 'done';
    if (this.#established) {
      this.#established.session.abort(error);
    } else {
      this.#keepOnly(undefined);
      this.#onEnd();
    }
    return error;
  }
}

/** 16 random bytes, chosen by the caller. */
export function newSessionId(): SessionId {
  return encodeBase64url(randomBytes(16)) as SessionId;
}
