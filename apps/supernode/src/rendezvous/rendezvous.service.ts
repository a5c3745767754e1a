import { Inject, Injectable } from '@nestjs/common';
import {
  LIMITS,
  sessionAnswerSchema,
  sessionCandidatesSchema,
  sessionOfferSchema,
  type CallDescription,
  type RequestOf,
  type ResponseOf,
  type SessionId,
  type SessionOffer,
  type UserId,
} from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import type { ConnectionObserver } from '../gateway/connection-observer.port.ts';
import type { Caller, DeviceAddress } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import {
  ANSWERED_LIFETIME_MS,
  isOffered,
  isParty,
  sessionTransition,
  takesPart,
  type BrokeredCall,
  type BrokeredSession,
} from './brokered-session.ts';
import { CallLegs } from './call-legs.service.ts';
import { CalleeReach } from './callee-reach.service.ts';
import { SESSION_BOOK, type SessionBook } from './session-book.port.ts';
import { SessionNews } from './session-news.service.ts';
import { SessionRelays } from './session-relays.service.ts';
import { SESSION_OUTCOMES, type SessionOutcomes } from './session-outcomes.port.ts';
import { checkSignedHalf } from './signed-session-checks.ts';

/**
 * Brokers sessions: offers to devices, the first answer, candidates, and the end. Nobody learns by calling whether a user
 * is there: a caller who is no contact is told of nothing but an answer, and else of the end when the offer expires.
 */
@Injectable()
export class RendezvousService implements ConnectionObserver {
  constructor(
    @Inject(SESSION_BOOK) private readonly book: SessionBook,
    @Inject(SESSION_OUTCOMES) private readonly outcomes: SessionOutcomes,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly reach: CalleeReach,
    private readonly news: SessionNews,
    private readonly calls: CallLegs,
    private readonly relays: SessionRelays,
  ) {}

  async offer(caller: Caller, request: RequestOf<'session.offer'>): Promise<ResponseOf<'session.offer'>> {
    const { sessionId, to: callee, offers } = request;
    const now = this.clock.now();
    const policies: SessionOffer['policy'][] = [];
    for (const { deviceId, offer } of offers) {
      const expected = { sessionId, from: caller, to: { userId: callee, deviceId } };
      const half = checkSignedHalf('sessionOffer', sessionOfferSchema, offer, expected, now);
      requireSameCall(half.call, request.call);
      policies.push(half.policy);
    }
    await this.requireRoom(caller);
    const named = offers.map(({ deviceId }) => deviceId);
    const call = request.call ? newCall(callee, request.call, now, request.expiresInMs) : null;
    const { devices, areContacts, callerKnowsCallee } = await this.reach.of(
      caller,
      callee,
      named,
      call ? { nobody: (isContact) => this.calls.unreached(caller, sessionId, call, isContact) } : undefined,
    );
    const { tenant, userId, deviceId } = caller;
    const offered = devices.map((device) => ({ tenant, userId: callee, deviceId: device }));
    const session: BrokeredSession = {
      tenant,
      sessionId,
      state: 'offered',
      caller: { tenant, userId, deviceId },
      offered,
      isMuted: false,
      answeredBy: null,
      areContacts,
      callerKnowsCallee,
      expiresAt: now + request.expiresInMs,
      ...this.relays.plan(caller, offered, policies, request.expiresInMs),
      call,
    };
    if (!(await this.book.open(session, now))) {
      this.relays.close(session);
      throw new Refusal('OFFER_REPLAYED');
    }
    this.news.offered(session, request);
    return {};
  }

  async answer(caller: Caller, request: RequestOf<'session.answer'>): Promise<ResponseOf<'session.answer'>> {
    const { sessionId, answer } = request;
    const session = await this.sessionOf(caller, sessionId);
    if (!isOffered(session, caller)) throw new Refusal('SESSION_UNKNOWN');
    const expected = { sessionId, from: caller, to: session.caller };
    const { stage } = checkSignedHalf(
      'sessionAnswer',
      sessionAnswerSchema,
      answer,
      expected,
      this.clock.now(),
    );
    if (stage === 'early') {
      requireEarlyAnswer(session);
      // Who went into hiding since the offer came gives no sign either.
      if (await this.calls.isHiding(caller)) return {};
    }
    const answered = stage === 'early' ? session : await this.claim(caller, sessionId);
    if (stage === 'accepted') this.calls.answered(answered);
    // Before the caller hears of it: its first data comes at once.
    this.relays.open(answered);
    this.news.answered(answered, caller, request);
    if (stage === 'accepted') this.news.endedForOffered(session, 'answered-elsewhere', caller);
    return {};
  }

  async candidates(
    caller: Caller,
    request: RequestOf<'session.candidates'>,
  ): Promise<ResponseOf<'session.candidates'>> {
    const { sessionId, candidates } = request;
    const session = await this.sessionOf(caller, sessionId);
    const to = trickleTarget(session, caller, request.to);
    if (!to) throw new Refusal('SESSION_UNKNOWN');
    const expected = { sessionId, from: caller, to };
    checkSignedHalf('sessionCandidates', sessionCandidatesSchema, candidates, expected, this.clock.now());
    if (!session.isMuted) this.news.candidates(session, to, caller, request);
    return {};
  }

  async cancel(
    caller: Caller,
    { sessionId, yieldsTo }: RequestOf<'session.cancel'>,
  ): Promise<ResponseOf<'session.cancel'>> {
    const session = await this.book.change(caller.tenant, sessionId, (current) =>
      isParty(current, caller) ? null : undefined,
    );
    if (!session) throw new Refusal('SESSION_UNKNOWN');
    this.relays.close(session);
    this.news.endedForParties(session, 'cancelled', caller);
    await this.calls.cancelled(session, yieldsTo);
    return {};
  }

  async reject(caller: Caller, request: RequestOf<'session.reject'>): Promise<ResponseOf<'session.reject'>> {
    const { sessionId, reason } = request;
    const session = await this.sessionOf(caller, sessionId);
    if (!isOffered(session, caller)) throw new Refusal('SESSION_UNKNOWN');
    if (reason === 'busy' && (await this.calls.isLeftTo(session, caller))) return {};
    const rejected = await this.book.change(caller.tenant, sessionId, (current) => {
      if (sessionTransition(current.state, 'reject') !== 'ended') return undefined;
      return current.callerKnowsCallee ? null : { ...current, isMuted: true };
    });
    if (!rejected) throw new Refusal('SESSION_TAKEN');
    if (rejected.callerKnowsCallee) {
      this.relays.close(rejected);
      this.news.endedForCaller(rejected, reason);
    }
    // The devices of a user that rang have one story to tell.
    this.news.endedForOffered(rejected, rejected.call ? reason : 'answered-elsewhere', caller);
    this.calls.rejected(rejected, reason);
    return {};
  }

  async report(caller: Caller, request: RequestOf<'session.report'>): Promise<ResponseOf<'session.report'>> {
    const session = await this.sessionOf(caller, request.sessionId);
    // Only the end of a session is reported as anything else.
    if (request.outcome !== 'direct') this.relays.close(session);
    this.outcomes.record(request);
    return {};
  }

  /** Nobody can answer, trickle or restart any more with a device that is gone; the path itself needs no supernode. */
  async deviceGone(device: DeviceAddress): Promise<void> {
    for (const session of await this.book.takeOf(device.tenant, device.deviceId)) {
      if (session.state !== 'offered') continue;
      this.relays.close(session);
      this.news.endedForOffered(session, 'cancelled', device);
      await this.calls.cancelled(session);
    }
  }

  private async requireRoom({ tenant, deviceId }: Caller): Promise<void> {
    const { offered, answered } = await this.book.countOf(tenant, deviceId);
    // Nobody tells of the end of an answered session: the oldest gives way, and its parties may not restart its path any more.
    const isFull =
      answered >= LIMITS.maxAnsweredSessionsPerDevice &&
      !(await this.book.forgetOldestAnswered(tenant, deviceId));
    if (offered >= LIMITS.maxOpenOffersPerDevice || isFull) {
      throw new Refusal('LIMIT_EXCEEDED', 'This device has too many sessions open.');
    }
  }

  private async claim(caller: Caller, sessionId: SessionId): Promise<BrokeredSession> {
    const { tenant, userId, deviceId } = caller;
    const now = this.clock.now();
    let answered: BrokeredSession | undefined;
    // Asked again where somebody else was faster: only what the book says tells whether it was taken.
    const before = await this.book.change(tenant, sessionId, (current) => {
      const state = sessionTransition(current.state, 'answer');
      if (state !== 'answered' || current.expiresAt <= now) return undefined;
      const answeredBy = { tenant, userId, deviceId };
      const call = current.call && { ...current.call, answeredAt: now };
      answered = { ...current, state, answeredBy, call, expiresAt: now + ANSWERED_LIFETIME_MS };
      return answered;
    });
    if (!before || !answered) throw new Refusal('SESSION_TAKEN');
    return answered;
  }

  private async sessionOf(caller: Caller, sessionId: SessionId): Promise<BrokeredSession> {
    const session = await this.book.find(caller.tenant, sessionId);
    if (!session || !takesPart(session, caller)) throw new Refusal('SESSION_UNKNOWN');
    return session;
  }
}

/** What the callee's device trusts is the signed half: the supernode must not make more, or less, of an offer. */
function requireSameCall(signed: CallDescription | undefined, claimed: CallDescription | undefined): void {
  if (signed?.media.join() === claimed?.media.join()) return;
  throw new Refusal(
    'BAD_PROOF',
    'The signed offer and the request differ in whether, or which, a call it is.',
  );
}

function newCall(
  callee: UserId,
  { media }: CallDescription,
  startedAt: number,
  expiresInMs: number,
): BrokeredCall {
  return { callee, media, startedAt, answeredAt: null, ringsUntil: startedAt + expiresInMs, lost: [] };
}

function requireEarlyAnswer(session: BrokeredSession): void {
  if (session.state !== 'offered') throw new Refusal('SESSION_TAKEN');
  if (session.areContacts) return;
  throw new Refusal('FORBIDDEN', 'An early answer to a stranger would tell that the user is there.');
}

/**
 * To whom `from` may send candidates, if `to` is that device: the caller to every device that may still answer, a device of
 * the callee to the caller, but to a stranger only after it answered.
 */
function trickleTarget(session: BrokeredSession, from: DeviceAddress, to: string): DeviceAddress | undefined {
  const { caller, answeredBy } = session;
  const isFromCaller = caller.deviceId === from.deviceId;
  const callee = isFromCaller ? session.offered.find(({ deviceId }) => deviceId === to) : from;
  const target = isFromCaller ? callee : caller;
  if (target?.deviceId !== to) return undefined;
  if (answeredBy) return answeredBy.deviceId === callee?.deviceId ? target : undefined;
  return isFromCaller || session.areContacts ? target : undefined;
}
