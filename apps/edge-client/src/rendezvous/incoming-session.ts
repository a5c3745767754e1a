import type { NatReport } from '@parley/nat';
import {
  decodeBase64url,
  encodeBase64url,
  type CallDescription,
  type EventOf,
  type SessionAnswer,
  type SessionId,
  type SessionOffer,
} from '@parley/protocol';
import { asEdgeError, edgeError, EdgeClientError } from '../errors.ts';
import { payloadHash, signPayload } from '../identity/signing.ts';
import { deferred } from '../session/deferred.ts';
import { CalleeHandshake, flightHash } from '../session/session-handshake.ts';
import type { Session } from '../session/session.ts';
import { EstablishedSession } from './established-session.ts';
import { decodeFlight, encodeFlight } from './flight-coding.ts';
import type { PathNegotiation } from './path-negotiation.ts';
import { askPatiently } from './patient-request.ts';
import { dataKeyOf, negotiatePath, selfParty, type RendezvousContext } from './rendezvous-context.ts';
import { sessionPathOf } from './session-path.ts';
import type { Party, VerifiedParty } from './signed-session.ts';

/** Why a request that nobody accepted is over. */
export type RequestEnd = EventOf<'session.ended'>['reason'] | 'client-closed';

/** Somebody wants a session with this device; nothing of ours, not even a sign of life, goes to them before `accept`. */
export interface SessionRequest {
  readonly sessionId: SessionId;
  readonly from: Party;
  /** Whether the caller is an accepted contact. */
  readonly isContact: boolean;
  /** How the caller wants the session to travel. */
  readonly policy: SessionOffer['policy'];
  /** Milliseconds for which the offer stands. */
  readonly expiresInMs: number;
  /** Resolves when the offer ended before it was accepted or rejected here. */
  readonly ended: Promise<RequestEnd>;
  /** @throws EDGE_OFFER_INVALID, EDGE_PEER_KEY_MISMATCH, EDGE_FLIGHT_INVALID, SESSION_TAKEN, EDGE_PATH_FAILED */
  accept(): Promise<Session>;
  /** @throws SESSION_UNKNOWN, EDGE_NOT_CONNECTED */
  reject(reason?: 'rejected' | 'busy'): Promise<void>;
}

export interface IncomingOptions {
  readonly event: EventOf<'session.offered'>;
  readonly offer: SessionOffer;
  readonly caller: VerifiedParty;
  readonly isContact: boolean;
  /** Called once, when nothing of the session is left. */
  readonly onEnd: () => void;
}

/** How long the caller's proof may take after our answer. */
const READY_TIMEOUT_MS = 30_000;

/** A verified offer to this device, from its arrival to the end of the session that it may become. */
export class IncomingSession implements SessionRequest {
  readonly ended: Promise<RequestEnd>;
  readonly #context: RendezvousContext;
  readonly #options: IncomingOptions;
  readonly #ending = deferred<RequestEnd>();
  readonly #expiry: NodeJS.Timeout;
  /** Candidates may overtake the app's decision. */
  #early: EventOf<'session.candidates'>[] = [];
  #phase: 'offered' | 'accepting' | 'open' | 'done' = 'offered';
  #established: EstablishedSession | undefined;
  #negotiation: PathNegotiation | undefined;
  /** A search for paths that began before the user accepted. */
  #prepared: PathNegotiation | undefined;

  constructor(context: RendezvousContext, options: IncomingOptions) {
    this.#context = context;
    this.#options = options;
    this.ended = this.#ending.promise;
    this.#expiry = setTimeout(() => this.over('expired'), this.expiresInMs);
  }

  get sessionId(): SessionId {
    return this.#options.event.sessionId;
  }

  get from(): Party {
    const { userId, deviceId } = this.#options.caller;
    return { userId, deviceId };
  }

  get isContact(): boolean {
    return this.#options.isContact;
  }

  get policy(): SessionOffer['policy'] {
    return this.#options.offer.policy;
  }

  get expiresInMs(): number {
    const { event, offer } = this.#options;
    const remainingMs = offer.issuedAt + offer.expiresInMs - this.#context.serverNow();
    return Math.max(0, Math.min(event.expiresInMs, remainingMs));
  }

  /** There when the offer is a call, as its caller signed it. */
  get call(): CallDescription | undefined {
    return this.#options.offer.call;
  }

  /**
   * Begins to search for paths while the user decides (DESIGN 6.5: for approved contacts only). The search is given to the
   * session if it has found one by then; the peer answers checks, and takes part itself once it has an answer: an early one as
   * soon as there is a path without the relay, which nobody may use before the user accepts.
   */
  prepare(): void {
    if (this.#phase !== 'offered' || !this.isContact || this.#prepared) return;
    const prepared = this.#negotiate();
    this.#prepared = prepared;
    this.#negotiation = prepared;
    const off = prepared.path.onPath(({ kind }) => {
      if (kind !== 'direct') return;
      off();
      if (this.#phase === 'offered') this.#answerEarly(prepared);
    });
    this.#beginSearch(prepared);
  }

  /** `onAnswered`: the supernode took our answer, and with it no other device's. */
  async accept(onAnswered?: () => void): Promise<Session> {
    if (this.#phase !== 'offered') throw edgeError('EDGE_OFFER_INVALID');
    this.#phase = 'accepting';
    clearTimeout(this.#expiry);
    try {
      return await this.#answer(onAnswered);
    } catch (thrown) {
      const error = asEdgeError(thrown, 'EDGE_PATH_FAILED');
      if (this.#established) this.#established.session.abort(error);
      else this.#abandon();
      throw error;
    }
  }

  async reject(reason: 'rejected' | 'busy' = 'rejected'): Promise<void> {
    if (this.#phase !== 'offered') throw edgeError('EDGE_OFFER_INVALID');
    this.#abandon();
    const { signalling, clock } = this.#context;
    await askPatiently(() => signalling.request('session.reject', { sessionId: this.sessionId, reason }), {
      clock,
      isRepeatable: true,
    });
  }

  candidates(event: EventOf<'session.candidates'>): void {
    if (event.from.deviceId !== this.from.deviceId) {
      this.#context.drops.count('candidates-other-parties');
      return;
    }
    // Kept also where a search runs already: the search after the decision may be a new one.
    const isDeciding = this.#phase === 'offered' || (this.#phase === 'accepting' && !this.#established);
    const isKept = isDeciding && this.#early.length < MAX_EARLY_CANDIDATES;
    if (isKept) this.#early.push(event);
    if (this.#negotiation) this.#trickle(this.#negotiation, event);
    else if (!isKept) this.#context.drops.count('candidates-unknown-session');
  }

  /** The offer, or the session that is being set up, is over on the other side or by the client's end. */
  over(reason: RequestEnd): void {
    if (this.#phase === 'offered') {
      this.#ending.resolve(reason);
      this.#abandon();
    } else if (this.#phase === 'accepting') {
      this.#established?.session.abort(endError(reason));
    }
  }

  /** Nothing waits for it: without it the peer takes part in the search once the user accepted. */
  #answerEarly(negotiation: PathNegotiation): void {
    const { signalling, drops } = this.#context;
    const answer = this.#sign(negotiation, { stage: 'early', flightHash: flightHash([]) });
    signalling
      .request('session.answer', { sessionId: this.sessionId, answer, flight: [] })
      .catch(() => drops.count('answer-early-refused'));
  }

  async #answer(onAnswered: (() => void) | undefined): Promise<Session> {
    const { event, caller } = this.#options;
    const { identity } = this.#context;
    const startedAt = this.#context.clock.monotonic();
    // Before the search, which makes mappings of its own: the peer predicts from this port on.
    const nat = await this.#context.endpoint().freshNat();
    const handshake = new CalleeHandshake(
      {
        deviceKey: identity.deviceKey.privateKey,
        peerKey: decodeBase64url(caller.key) ?? new Uint8Array(0),
        hasControlStream: true,
      },
      decodeFlight(event.flight),
    );
    const release = this.#claim(handshake);
    const negotiation = this.#takePrepared() ?? this.#negotiate();
    if (negotiation !== this.#negotiation) {
      this.#negotiation = negotiation;
      // Before the answer goes out, so that our relay admits the caller's addresses when its first check comes.
      this.#beginSearch(negotiation);
    }
    const session = handshake.complete(sessionPathOf(negotiation));
    this.#established = new EstablishedSession(this.#context, {
      session,
      sessionId: this.sessionId,
      peer: this.from,
      role: 'callee',
      negotiation,
      startedAt,
      onEnd: () => {
        release();
        this.#finish();
      },
    });
    const answer = this.#sign(negotiation, { stage: 'accepted', flightHash: handshake.flight.sha256 }, nat);
    void negotiation.traverse(this.#options.offer);
    const { signalling, clock } = this.#context;
    const flight = encodeFlight(handshake.flight.packets);
    await askPatiently(
      () => signalling.request('session.answer', { sessionId: this.sessionId, answer, flight }),
      { clock, isWanted: () => this.#phase === 'accepting' },
    );
    negotiation.open();
    onAnswered?.();
    await readyInTime(session);
    // From here on only the two ends decide: the supernode's word ends nothing any more.
    this.#phase = 'open';
    return session;
  }

  #negotiate(): PathNegotiation {
    return negotiatePath(this.#context, {
      role: 'controlled',
      sessionId: this.sessionId,
      peer: this.#options.caller,
      policy: this.#options.offer.policy,
      holdDirect: false,
    });
  }

  #beginSearch(negotiation: PathNegotiation): void {
    const { ice, candidates } = this.#options.offer;
    negotiation.begin(ice, candidates, this.#options.event);
    for (const early of this.#early) this.#trickle(negotiation, early);
  }

  #trickle(negotiation: PathNegotiation, event: EventOf<'session.candidates'>): void {
    const reason = negotiation.receive(event.candidates, event.observedAddresses);
    if (reason !== undefined) this.#context.drops.count(`candidates-${reason}`);
  }

  /** Without a path by now, a new search is better: the relay then carries data first, on the accepted offer alone. */
  #takePrepared(): PathNegotiation | undefined {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (!prepared || prepared.path.current) return prepared;
    prepared.close();
    return undefined;
  }

  /** Nothing came of it: there is no session that would close the path. */
  #abandon(): void {
    (this.#prepared ?? this.#negotiation)?.close();
    this.#finish();
  }

  #claim(handshake: CalleeHandshake): () => void {
    try {
      return this.#context.endpoint().claim(handshake.connectionIds, dataKeyOf(this.sessionId, this.from));
    } catch (thrown) {
      handshake.abandon();
      throw thrown;
    }
  }

  #sign(
    negotiation: PathNegotiation,
    { stage, flightHash }: { readonly stage: SessionAnswer['stage']; readonly flightHash: Uint8Array },
    nat?: NatReport,
  ) {
    const answer: SessionAnswer = {
      sessionId: this.sessionId,
      from: selfParty(this.#context),
      to: this.from,
      issuedAt: this.#context.serverNow(),
      ...negotiation.describe(nat),
      flightHash: encodeBase64url(flightHash),
      stage,
      offerHash: payloadHash(this.#options.event.offer),
    };
    return signPayload('sessionAnswer', answer, this.#context.identity.deviceKey);
  }

  #finish(): void {
    if (this.#phase === 'done') return;
    this.#phase = 'done';
    clearTimeout(this.#expiry);
    this.#early = [];
    this.#options.onEnd();
  }
}

const MAX_EARLY_CANDIDATES = 16;

function endError(reason: RequestEnd): EdgeClientError {
  if (reason === 'answered-elsewhere') return edgeError('EDGE_ANSWERED_ELSEWHERE');
  if (reason === 'client-closed') return edgeError('EDGE_CLIENT_CLOSED');
  return edgeError('EDGE_SESSION_CANCELLED');
}

async function readyInTime(session: Session): Promise<void> {
  const timer = setTimeout(() => session.abort(edgeError('EDGE_PATH_FAILED')), READY_TIMEOUT_MS);
  try {
    await session.ready;
  } finally {
    clearTimeout(timer);
  }
}
