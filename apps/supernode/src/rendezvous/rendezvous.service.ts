import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import {
  LIMITS,
  sessionAnswerSchema,
  sessionCandidatesSchema,
  sessionOfferSchema,
  type EventOf,
  type RequestOf,
  type ResponseOf,
  type SessionId,
  type TenantId,
} from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { paddedDelay } from '../clock/padded-delay.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { ConnectionObserver } from '../gateway/connection-observer.port.ts';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import type { Caller, DeviceAddress } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import { sessionTransition, takesPart, type BrokeredSession } from './brokered-session.ts';
import { CalleeReach } from './callee-reach.service.ts';
import { SESSION_BOOK, type SessionBook } from './session-book.port.ts';
import { SESSION_OUTCOMES, type SessionOutcomes } from './session-outcomes.port.ts';
import { checkSignedHalf } from './signed-session-checks.ts';

const EXPIRY_SWEEP_MS = 250;
/** How long the two parties of an answered session may go on exchanging candidates, for ICE restarts. */
const ANSWERED_LIFETIME_MS = 24 * 3600_000;

type EndReason = EventOf<'session.ended'>['reason'];

/**
 * Brokers sessions: offers to devices, the first answer, candidates, and the end. Nobody learns by calling whether a user
 * is there: a caller who is no contact is told of nothing but an answer, and else of the end when the offer expires.
 */
@Injectable()
export class RendezvousService implements ConnectionObserver, OnModuleInit, OnModuleDestroy {
  private cancelSweep: (() => void) | undefined;

  constructor(
    @Inject(SESSION_BOOK) private readonly book: SessionBook,
    @Inject(SESSION_OUTCOMES) private readonly outcomes: SessionOutcomes,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly reach: CalleeReach,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.cancelSweep = this.scheduler.after(EXPIRY_SWEEP_MS, () => {
      void this.background.attempt('ending expired offers', () => this.expire());
      this.onModuleInit();
    });
  }

  onModuleDestroy(): void {
    this.cancelSweep?.();
  }

  async offer(caller: Caller, request: RequestOf<'session.offer'>): Promise<ResponseOf<'session.offer'>> {
    const began = this.clock.monotonic();
    const now = this.clock.now();
    for (const { deviceId, offer } of request.offers) {
      const expected = { sessionId: request.sessionId, from: caller, to: { userId: request.to, deviceId } };
      checkSignedHalf('sessionOffer', sessionOfferSchema, offer, expected, now);
    }
    const { offered: open, answered } = await this.book.countOf(caller.tenant, caller.deviceId);
    if (open >= LIMITS.maxOpenOffersPerDevice || answered >= LIMITS.maxAnsweredSessionsPerDevice) {
      throw new Refusal('LIMIT_EXCEEDED', 'This device has too many sessions open.');
    }
    const reach = await this.reach.of(caller, request.to);
    const named = new Set(request.offers.map(({ deviceId }) => deviceId));
    const targets = reach.devices.filter((deviceId) => named.has(deviceId) && deviceId !== caller.deviceId);
    if (targets.length === 0 && reach.callerKnowsCallee) {
      await paddedDelay(this.clock, this.scheduler, began, LIMITS.unavailablePaddingMs);
      throw new Refusal('PEER_UNAVAILABLE');
    }
    const { tenant, userId, deviceId } = caller;
    const offered = targets.map((target) => ({ tenant, userId: request.to, deviceId: target }));
    const session: BrokeredSession = {
      tenant,
      sessionId: request.sessionId,
      state: 'offered',
      caller: { tenant, userId, deviceId },
      offered,
      answeredBy: null,
      areContacts: reach.areContacts,
      callerKnowsCallee: reach.callerKnowsCallee,
      expiresAt: now + request.expiresInMs,
    };
    if (!(await this.book.open(session, now))) throw new Refusal('OFFER_REPLAYED');
    this.deliver(session, request);
    return {};
  }

  async answer(caller: Caller, request: RequestOf<'session.answer'>): Promise<ResponseOf<'session.answer'>> {
    const session = await this.sessionOf(caller, request.sessionId);
    if (!session.offered.some(({ deviceId }) => deviceId === caller.deviceId))
      throw new Refusal('SESSION_UNKNOWN');
    const expected = { sessionId: request.sessionId, from: caller, to: session.caller };
    const half = checkSignedHalf(
      'sessionAnswer',
      sessionAnswerSchema,
      request.answer,
      expected,
      this.clock.now(),
    );
    if (half.stage === 'early') {
      if (!session.areContacts)
        throw new Refusal('FORBIDDEN', 'An early answer to a stranger would tell that the user is there.');
      if (session.state !== 'offered') throw new Refusal('SESSION_TAKEN');
    } else {
      await this.claim(caller, request.sessionId);
    }
    const { sessionId, answer, flight } = request;
    const from = { userId: caller.userId, deviceId: caller.deviceId };
    this.notifier.notifyDevice(session.caller, 'session.answered', { sessionId, from, answer, flight });
    if (half.stage === 'accepted') {
      this.tellOffered(session, 'answered-elsewhere', caller);
    }
    return {};
  }

  async candidates(
    caller: Caller,
    request: RequestOf<'session.candidates'>,
  ): Promise<ResponseOf<'session.candidates'>> {
    const session = await this.sessionOf(caller, request.sessionId);
    const to = [session.caller, ...session.offered].find(({ deviceId }) => deviceId === request.to);
    const isCaller = session.caller.deviceId === caller.deviceId;
    const mayReach =
      to && (isCaller ? to !== session.caller : to === session.caller && this.mayTrickle(session, caller));
    const isTaken =
      session.answeredBy && ![caller.deviceId, request.to].includes(session.answeredBy.deviceId);
    if (!mayReach || isTaken) throw new Refusal('SESSION_UNKNOWN');
    const expected = { sessionId: request.sessionId, from: caller, to };
    checkSignedHalf(
      'sessionCandidates',
      sessionCandidatesSchema,
      request.candidates,
      expected,
      this.clock.now(),
    );
    const from = { userId: caller.userId, deviceId: caller.deviceId };
    const { sessionId, candidates } = request;
    this.notifier.notifyDevice(to, 'session.candidates', { sessionId, from, candidates });
    return {};
  }

  async cancel(caller: Caller, request: RequestOf<'session.cancel'>): Promise<ResponseOf<'session.cancel'>> {
    const session = await this.book.change(caller.tenant, request.sessionId, (current) => {
      return isParty(current, caller) ? null : undefined;
    });
    if (!session) throw new Refusal('SESSION_UNKNOWN');
    this.tellOthers(session, caller);
    return {};
  }

  async reject(caller: Caller, request: RequestOf<'session.reject'>): Promise<ResponseOf<'session.reject'>> {
    const session = await this.sessionOf(caller, request.sessionId);
    if (!session.offered.some(({ deviceId }) => deviceId === caller.deviceId))
      throw new Refusal('SESSION_UNKNOWN');
    const rejected = await this.book.change(caller.tenant, request.sessionId, (current) => {
      if (sessionTransition(current.state, 'reject') !== 'ended') return undefined;
      // A stranger is not told: its offer stays, without anybody to answer it, until it expires.
      return current.callerKnowsCallee ? null : { ...current, offered: [] };
    });
    if (!rejected) throw new Refusal('SESSION_TAKEN');
    if (rejected.callerKnowsCallee) this.tellEnd(rejected.caller, rejected.sessionId, request.reason);
    this.tellOffered(rejected, 'answered-elsewhere', caller);
    return {};
  }

  async report(caller: Caller, request: RequestOf<'session.report'>): Promise<ResponseOf<'session.report'>> {
    await this.sessionOf(caller, request.sessionId);
    this.outcomes.record(request);
    return {};
  }

  /** Nobody can answer, trickle or restart any more with a device that is gone; the path itself needs no supernode. */
  async deviceGone(device: DeviceAddress): Promise<void> {
    for (const session of await this.book.takeOf(device.tenant, device.deviceId)) {
      if (session.state === 'offered') this.tellOffered(session, 'cancelled', device);
    }
  }

  private async claim(caller: Caller, sessionId: SessionId): Promise<void> {
    const answeredBy = { tenant: caller.tenant, userId: caller.userId, deviceId: caller.deviceId };
    const claimed = await this.book.change(caller.tenant, sessionId, (current) => {
      const state = sessionTransition(current.state, 'answer');
      if (state !== 'answered' || current.expiresAt <= this.clock.now()) return undefined;
      return { ...current, state, answeredBy, expiresAt: this.clock.now() + ANSWERED_LIFETIME_MS };
    });
    if (!claimed) throw new Refusal('SESSION_TAKEN');
  }

  /** A callee's device may send candidates once it answered; before, only to a contact. */
  private mayTrickle(session: BrokeredSession, device: DeviceAddress): boolean {
    return session.areContacts || session.answeredBy?.deviceId === device.deviceId;
  }

  private async sessionOf(caller: Caller, sessionId: SessionId): Promise<BrokeredSession> {
    const session = await this.book.find(caller.tenant, sessionId);
    if (!session || !takesPart(session, caller.deviceId)) throw new Refusal('SESSION_UNKNOWN');
    return session;
  }

  private deliver(session: BrokeredSession, request: RequestOf<'session.offer'>): void {
    const { sessionId, caller, areContacts } = session;
    const from = { userId: caller.userId, deviceId: caller.deviceId };
    for (const device of session.offered) {
      const own = request.offers.find(({ deviceId }) => deviceId === device.deviceId);
      if (!own) continue;
      this.notifier.notifyDevice(device, 'session.offered', {
        sessionId,
        from,
        contact: areContacts,
        expiresInMs: request.expiresInMs,
        offer: own.offer,
        flight: own.flight,
      });
    }
  }

  private async expire(): Promise<void> {
    for (const session of await this.book.takeExpired(this.clock.now())) {
      if (session.state !== 'offered') continue;
      this.tellEnd(session.caller, session.sessionId, session.callerKnowsCallee ? 'expired' : 'unavailable');
      this.tellOffered(session, 'expired', null);
    }
  }

  /** Tells everybody who still waits for, or takes part in, a session that one party ended. */
  private tellOthers(session: BrokeredSession, ender: DeviceAddress): void {
    const parties = session.answeredBy
      ? [session.caller, session.answeredBy]
      : [session.caller, ...session.offered];
    for (const party of parties) {
      if (party.deviceId !== ender.deviceId) this.tellEnd(party, session.sessionId, 'cancelled');
    }
  }

  private tellOffered(session: BrokeredSession, reason: EndReason, except: DeviceAddress | null): void {
    for (const device of session.offered) {
      if (device.deviceId !== except?.deviceId) this.tellEnd(device, session.sessionId, reason);
    }
  }

  private tellEnd(device: DeviceAddress, sessionId: SessionId, reason: EndReason): void {
    this.notifier.notifyDevice(device, 'session.ended', { sessionId, reason });
  }
}

function isParty(session: BrokeredSession, device: { tenant: TenantId; deviceId: string }): boolean {
  return session.caller.deviceId === device.deviceId || session.answeredBy?.deviceId === device.deviceId;
}
