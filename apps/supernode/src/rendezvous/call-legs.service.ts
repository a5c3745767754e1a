import { Inject, Injectable } from '@nestjs/common';
import {
  glareWinner,
  LIMITS,
  type CallEndCause,
  type DeviceId,
  type RequestOf,
  type ResponseOf,
  type SessionId,
  type TenantId,
} from '@parley/protocol';
import { CallHistory } from '../calls/call-history.service.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import type { ConnectionObserver } from '../gateway/connection-observer.port.ts';
import type { Caller, DeviceAddress } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import {
  ANSWERED_LIFETIME_MS,
  callFactsOf,
  isOffered,
  isParty,
  sessionTransition,
  type BrokeredCall,
  type BrokeredSession,
} from './brokered-session.ts';
import { ReachableDevices } from './reachable-devices.service.ts';
import { SESSION_BOOK, type SessionBook } from './session-book.port.ts';
import { SessionNews } from './session-news.service.ts';
import { SessionRelays } from './session-relays.service.ts';

const END_CAUSES = { 'hung-up': 'hang-up', lost: 'lost', failed: 'failed' } as const;

/** What makes a session a call: it rings, it is ended by either party, and it leaves a record. Other sessions pass by. */
@Injectable()
export class CallLegs implements ConnectionObserver {
  constructor(
    @Inject(SESSION_BOOK) private readonly book: SessionBook,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly reachable: ReachableDevices,
    private readonly news: SessionNews,
    private readonly history: CallHistory,
    private readonly relays: SessionRelays,
  ) {}

  /** @throws Refusal SESSION_UNKNOWN, SESSION_TAKEN: there is nothing to ring for */
  async ringing(
    caller: Caller,
    { sessionId }: RequestOf<'session.ringing'>,
  ): Promise<ResponseOf<'session.ringing'>> {
    const isHidden = await this.isHiding(caller);
    const session = await this.book.find(caller.tenant, sessionId);
    if (!session?.call || !isOffered(session, caller)) throw new Refusal('SESSION_UNKNOWN');
    if (session.state !== 'offered') throw new Refusal('SESSION_TAKEN');
    // Who went into hiding since the offer came gives no sign either.
    if (!isHidden || session.caller.userId === caller.userId) this.news.ringing(session, caller);
    return {};
  }

  async isHiding({ tenant, userId }: DeviceAddress): Promise<boolean> {
    return (await this.reachable.of(tenant, userId)).isHidden;
  }

  /** @throws Refusal SESSION_UNKNOWN */
  async end(caller: Caller, request: RequestOf<'call.end'>): Promise<ResponseOf<'call.end'>> {
    const { sessionId, cause } = request;
    const session = await this.book.change(caller.tenant, sessionId, (current) => {
      const mayEnd = current.call && isParty(current, caller);
      return mayEnd && sessionTransition(current.state, 'hang-up') === 'ended' ? null : undefined;
    });
    if (session) {
      this.relays.close(session);
      this.news.endedForParties(session, cause, caller);
      this.record(session, END_CAUSES[cause]);
    } else await this.endRemembered(caller, request);
    return {};
  }

  /** Nobody could be shown the call. */
  unreached(
    { tenant, userId, deviceId }: Caller,
    sessionId: SessionId,
    { callee, media, startedAt }: BrokeredCall,
    isForCallee: boolean,
  ): void {
    const caller = { tenant, userId, deviceId };
    const call = { tenant, sessionId, caller, callee, media, startedAt, isForCallee, answer: null };
    this.history.ended(call, 'unavailable');
  }

  answered(session: BrokeredSession): void {
    const call = callFactsOf(session);
    if (call) this.history.answered(call);
  }

  /**
   * A busy device takes only itself out of a call, as long as others of its user can answer: whether it does. Otherwise it
   * speaks for all of them.
   */
  async isLeftTo({ tenant, sessionId }: BrokeredSession, busy: DeviceAddress): Promise<boolean> {
    const connected = await this.reachable.connectedOf(tenant, busy.userId);
    const changed = await this.book.change(tenant, sessionId, (current) => {
      if (!current.call || current.state !== 'offered' || !isOffered(current, busy)) return undefined;
      const offered = current.offered.filter(({ deviceId }) => deviceId !== busy.deviceId);
      return offered.some(({ deviceId }) => connected.includes(deviceId))
        ? { ...current, offered }
        : undefined;
    });
    return changed !== undefined;
  }

  rejected(session: BrokeredSession, reason: 'rejected' | 'busy'): void {
    this.record(session, reason === 'busy' ? 'busy' : 'reject');
  }

  /** Taken back: before the answer, or after it, which is hanging up. */
  async cancelled(session: BrokeredSession, yieldsTo?: SessionId): Promise<void> {
    if (session.state === 'answered') this.record(session, 'hang-up');
    else if (!(await this.isGlare(session, yieldsTo))) this.record(session, 'cancel');
  }

  expired(session: BrokeredSession): void {
    this.record(session, 'expire');
  }

  /** Ends an answered call because a party did not come back, or because it has lasted for too long. */
  overdue(session: BrokeredSession): void {
    if (!session.call) return;
    const [firstLost] = session.call.lost;
    this.news.endedForParties(session, 'lost');
    this.record(session, 'lost', firstLost?.at);
  }

  /**
   * A party's device is back, with its call or without: where it was answered, the other party can tell by the media. Of what
   * rings, a device that signs in anew knows nothing any more.
   */
  async deviceReachable({ tenant, deviceId }: DeviceAddress, how: 'signed-in' | 'resumed'): Promise<void> {
    await this.changeRinging(tenant, deviceId, how === 'resumed' ? 'until-its-end' : 'for-a-moment');
    await this.changeLost(tenant, deviceId, (others) => others);
  }

  async deviceUnreachable({ tenant, deviceId }: DeviceAddress): Promise<void> {
    await this.changeRinging(tenant, deviceId, 'for-a-moment');
  }

  async deviceGone({ tenant, deviceId }: DeviceAddress): Promise<void> {
    const at = this.clock.now();
    await this.changeLost(tenant, deviceId, (others) => [...others, { deviceId, at }]);
  }

  /** Ends what rings because its caller did not come back; false when that is not why it expired. */
  callerStayedAway(session: BrokeredSession): boolean {
    if (!session.call || session.expiresAt >= session.call.ringsUntil) return false;
    this.relays.close(session);
    this.news.endedForParties(session, 'cancelled');
    this.record(session, 'cancel');
    return true;
  }

  /** How long the calls of this device ring. Kept as the time when they expire, so that any supernode can end them. */
  private async changeRinging(
    tenant: TenantId,
    caller: DeviceId,
    long: 'for-a-moment' | 'until-its-end',
  ): Promise<void> {
    const momentOver = this.clock.now() + LIMITS.ringingCallerGraceMs;
    for (const { sessionId } of await this.book.callsOf(tenant, caller)) {
      await this.book.change(tenant, sessionId, (current) => {
        if (!current.call || current.state !== 'offered') return undefined;
        const { ringsUntil } = current.call;
        const expiresAt = long === 'until-its-end' ? ringsUntil : Math.min(current.expiresAt, momentOver);
        return expiresAt === current.expiresAt ? undefined : { ...current, expiresAt };
      });
    }
  }

  /** Who of the parties is lost, oldest loss first, by who of the others was; it decides how long the calls are waited for. */
  private async changeLost(
    tenant: TenantId,
    deviceId: DeviceId,
    change: (others: BrokeredCall['lost']) => BrokeredCall['lost'],
  ): Promise<void> {
    for (const { sessionId } of await this.book.callsOf(tenant, deviceId)) {
      await this.book.change(tenant, sessionId, (current) => {
        if (!current.call || current.state !== 'answered') return undefined;
        const lost = change(current.call.lost.filter((entry) => entry.deviceId !== deviceId));
        const [firstLost] = lost;
        const { answeredAt, startedAt } = current.call;
        const expiresAt = firstLost
          ? firstLost.at + LIMITS.deadCallLegMs
          : (answeredAt ?? startedAt) + ANSWERED_LIFETIME_MS;
        return { ...current, call: { ...current.call, lost }, expiresAt };
      });
    }
  }

  /** A call that this supernode does not know any more, because it restarted: the database names the parties. */
  private async endRemembered(caller: Caller, { sessionId, cause }: RequestOf<'call.end'>): Promise<void> {
    const remembered = await this.history.remembered(caller, sessionId);
    if (!remembered) throw new Refusal('SESSION_UNKNOWN');
    const { call, isOver } = remembered;
    if (isOver || !call.answer) return;
    const answerer = { tenant: call.tenant, userId: call.callee, deviceId: call.answer.by };
    const other = call.caller.deviceId === caller.deviceId ? answerer : call.caller;
    this.news.ended(other, call, cause);
    this.history.ended(call, END_CAUSES[cause]);
  }

  /** Whether the caller takes this call back because the callee calls at the same time, and that call goes on. */
  private async isGlare(
    { tenant, sessionId, caller, call }: BrokeredSession,
    yieldsTo?: SessionId,
  ): Promise<boolean> {
    if (!call || yieldsTo === undefined) return false;
    const other = await this.book.find(tenant, yieldsTo);
    const isBetweenThem = other?.call?.callee === caller.userId && other.caller.userId === call.callee;
    return isBetweenThem && glareWinner(sessionId, yieldsTo) === yieldsTo;
  }

  private record(session: BrokeredSession, cause: CallEndCause, at?: number): void {
    const call = callFactsOf(session);
    if (call) this.history.ended(call, cause, at);
  }
}
