import type { DeviceId, SessionId, TenantId, UserId } from '@parley/protocol';
import type { Clock } from '../clock/clock.port.ts';
import type { Ownership } from '../cluster/ownership.port.ts';
import { SupernodeError } from '../errors.ts';
import type { Metrics } from '../observability/metrics.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import { sessionMember } from '../redis/redis-keys.ts';
import type { BrokeredSession, SessionState } from './brokered-session.ts';
import { MemorySessionBook } from './session-book.memory.ts';
import type { SessionBook } from './session-book.port.ts';
import { UsedSessions } from './used-sessions.ts';

/** Sessions that wait for the store: those of a busy supernode for some minutes. */
const MAX_HERE = 10_000;
const RETURNED_AT_ONCE = 200;

/** The book that all supernodes share, and whether it is within reach. */
export interface SharedSessionBook {
  readonly book: SessionBook;
  /** False: whatever is asked fails at once and is not done later. */
  isUp(): boolean;
}

const keyOf = ({ tenant, sessionId }: BrokeredSession): string => sessionMember(tenant, sessionId);

/**
 * The sessions of a cluster as one home sees them. While the shared book is away, sessions between users of this home are opened
 * here, and go into the shared book when it is back; what only the shared book knows is refused meanwhile. A session is in one
 * place at any time, here, on its way, or there: that is why one answer wins, whoever acts.
 */
export class HomeSessionBook implements SessionBook {
  private readonly here = new MemorySessionBook();
  /** On their way: as long as the store did not confirm one, nobody knows where it is, and nobody may change it. */
  private readonly leaving = new Map<string, BrokeredSession>();
  private returning: Promise<void> | undefined;
  private readonly shared: SessionBook;
  /** Also what the store was told before it went away, or lost. */
  private readonly used = new UsedSessions();
  /** The store was asked to open these and did not answer: they may be there, or get there yet. */
  private readonly unsure = new UsedSessions();

  constructor(
    private readonly store: SharedSessionBook,
    private readonly ownership: Pick<Ownership, 'tenureOf'>,
    private readonly clock: Pick<Clock, 'now'>,
    private readonly metrics: Pick<Metrics, 'drop'>,
  ) {
    this.shared = store.book;
  }

  async open(session: BrokeredSession, now: number): Promise<boolean> {
    const key = keyOf(session);
    if (this.used.has(key, now)) return false;
    const isUp = this.store.isUp();
    // Only where it is known that the store does not get it: opened here as well, it could be answered twice.
    if (!isUp && this.unsure.has(key, now)) throw away('Nobody knows whether the store has the session.');
    this.used.add(key, now);
    try {
      return await (isUp ? this.shared.open(session, now) : this.openHere(session, now));
    } catch (error) {
      this.used.delete(key);
      if (isUp) this.unsure.add(key, now);
      throw error;
    }
  }

  async find(tenant: TenantId, sessionId: SessionId): Promise<BrokeredSession | undefined> {
    return this.where(tenant, sessionId, (book) => book.find(tenant, sessionId));
  }

  async change(
    tenant: TenantId,
    sessionId: SessionId,
    change: (session: BrokeredSession) => BrokeredSession | null | undefined,
  ): Promise<BrokeredSession | undefined> {
    return this.where(tenant, sessionId, (book) => book.change(tenant, sessionId, change));
  }

  async countOf(tenant: TenantId, caller: DeviceId): Promise<Readonly<Record<SessionState, number>>> {
    const there = await this.ask(() => this.shared.countOf(tenant, caller));
    const { offered, answered } = await this.here.countOf(tenant, caller);
    return { offered: offered + (there?.offered ?? 0), answered: answered + (there?.answered ?? 0) };
  }

  async forgetOldestAnswered(tenant: TenantId, caller: DeviceId): Promise<boolean> {
    const isForgotten = await this.ask(() => this.shared.forgetOldestAnswered(tenant, caller));
    return isForgotten === true || this.here.forgetOldestAnswered(tenant, caller);
  }

  takeOf(tenant: TenantId, caller: DeviceId): Promise<readonly BrokeredSession[]> {
    return this.inBoth((book) => book.takeOf(tenant, caller));
  }

  callsOf(tenant: TenantId, device: DeviceId): Promise<readonly BrokeredSession[]> {
    return this.inBoth((book) => book.callsOf(tenant, device));
  }

  offersBetween(tenant: TenantId, caller: UserId, callee: UserId): Promise<readonly BrokeredSession[]> {
    return this.inBoth((book) => book.offersBetween(tenant, caller, callee));
  }

  /** Is called several times a second: what waits for the store is brought there first. */
  async takeExpired(now: number): Promise<readonly BrokeredSession[]> {
    const there = await this.ask(async () => {
      await this.bringBack();
      return this.shared.takeExpired(now);
    });
    return [...(there ?? []), ...(await this.here.takeExpired(now))];
  }

  /** Where the store does not learn of it, it gives them once more. */
  async confirmExpired(sessions: readonly BrokeredSession[]): Promise<void> {
    await this.ask(() => this.shared.confirmExpired(sessions));
  }

  private async openHere(session: BrokeredSession, now: number): Promise<boolean> {
    if (!this.isOfThisHome(session)) throw away('The session has parties of other homes.');
    if (this.here.size + this.leaving.size >= MAX_HERE) {
      this.metrics.drop('session-book', 'full-without-store');
      throw away('Too many sessions wait for the store.');
    }
    return this.here.open(session, now);
  }

  /** The tenures of both users, which no other supernode has then, go on while the store is away. */
  private isOfThisHome({ tenant, caller, offered, call }: BrokeredSession): boolean {
    const users = [caller.userId, ...offered.map(({ userId }) => userId), ...(call ? [call.callee] : [])];
    return users.every((userId) => this.ownership.tenureOf(tenant, userId) !== undefined);
  }

  /** Works with the session in the book in which it is; nothing moves it between the look and the work. */
  private async where<Answer>(
    tenant: TenantId,
    sessionId: SessionId,
    work: (book: SessionBook) => Promise<Answer>,
  ): Promise<Answer> {
    const key = sessionMember(tenant, sessionId);
    if (this.leaving.has(key)) await this.returned();
    if (this.leaving.has(key)) throw away('Nobody knows whether the store has the session.');
    return work(this.here.has(tenant, sessionId) ? this.here : this.shared);
  }

  /** First here, from where sessions leave: the other way round, one that leaves meanwhile would be in neither. */
  private async inBoth(
    look: (book: SessionBook) => Promise<readonly BrokeredSession[]>,
  ): Promise<readonly BrokeredSession[]> {
    const here = await look(this.here);
    const there = (await this.ask(() => look(this.shared))) ?? [];
    const found = new Set(there.map(keyOf));
    return [...there, ...here.filter((session) => !found.has(keyOf(session)))];
  }

  /** What the shared book answers; undefined while it is away, of which its connection tells. */
  private async ask<Answer>(what: () => Promise<Answer>): Promise<Answer | undefined> {
    await this.returned();
    try {
      return await what();
    } catch (error) {
      if (isStoreUnavailable(error)) return undefined;
      throw error;
    }
  }

  /** Resolves when nothing is under way to the store any more, well or not: who brings it hears of a failure. */
  private async returned(): Promise<void> {
    await this.returning?.catch(() => undefined);
  }

  private bringBack(): Promise<void> {
    this.returning ??= this.returnAll().finally(() => {
      this.returning = undefined;
    });
    return this.returning;
  }

  private async returnAll(): Promise<void> {
    while (this.store.isUp() && this.here.size + this.leaving.size > 0) {
      for (const session of this.here.takeFirst(RETURNED_AT_ONCE)) this.leaving.set(keyOf(session), session);
      await Promise.all(Array.from(this.leaving, ([key, session]) => this.leave(key, session)));
    }
  }

  /** A store that knows the id already got it from here, the time before. */
  private async leave(key: string, session: BrokeredSession): Promise<void> {
    await this.shared.open(session, this.clock.now());
    this.leaving.delete(key);
  }
}

function away(why: string): SupernodeError {
  return new SupernodeError('SN_REDIS_UNREACHABLE', `Sessions cannot be shared now. ${why}`);
}
