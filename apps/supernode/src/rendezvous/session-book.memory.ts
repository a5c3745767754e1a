import type { DeviceId, SessionId, TenantId, UserId } from '@parley/protocol';
import type { BrokeredSession, SessionState } from './brokered-session.ts';
import type { SessionBook } from './session-book.port.ts';
import { UsedSessions } from './used-sessions.ts';

const ANSWERED_SWEEP_MS = 60_000;

const keyOf = (tenant: TenantId, id: SessionId | DeviceId): string => `${tenant} ${id}`;

/** Sessions in the memory of one supernode. Bounded by the signed-in devices times their limits. */
export class MemorySessionBook implements SessionBook {
  private readonly sessions = new Map<string, BrokeredSession>();
  /** Sessions by each of their parties: the caller, and whoever answered. */
  private readonly byParty = new Map<string, Set<string>>();
  /** Keys of what may expire within seconds, offers and calls: few, and looked through often. */
  private readonly shortLived = new Set<string>();
  private answeredSweepAt = 0;
  private readonly used = new UsedSessions();

  get size(): number {
    return this.sessions.size;
  }

  open(session: BrokeredSession, now: number): Promise<boolean> {
    const key = keyOf(session.tenant, session.sessionId);
    if (this.used.has(key, now) || this.sessions.has(key)) return Promise.resolve(false);
    this.used.add(key, now);
    this.put(session, key);
    return Promise.resolve(true);
  }

  has(tenant: TenantId, sessionId: SessionId): boolean {
    return this.sessions.has(keyOf(tenant, sessionId));
  }

  /** Takes out and gives `most` sessions at most, those that were opened first. */
  takeFirst(most: number): readonly BrokeredSession[] {
    const first = [...this.sessions].slice(0, most);
    for (const [key] of first) this.drop(key);
    return first.map(([, session]) => session);
  }

  find(tenant: TenantId, sessionId: SessionId): Promise<BrokeredSession | undefined> {
    return Promise.resolve(this.sessions.get(keyOf(tenant, sessionId)));
  }

  change(
    tenant: TenantId,
    sessionId: SessionId,
    change: (session: BrokeredSession) => BrokeredSession | null | undefined,
  ): Promise<BrokeredSession | undefined> {
    const key = keyOf(tenant, sessionId);
    const before = this.sessions.get(key);
    const after = before && change(before);
    if (after === undefined) return Promise.resolve(undefined);
    if (after === null) this.drop(key);
    else this.put(after, key);
    return Promise.resolve(before);
  }

  countOf(tenant: TenantId, caller: DeviceId): Promise<Readonly<Record<SessionState, number>>> {
    const counts = { offered: 0, answered: 0 };
    for (const session of this.sessionsOf(tenant, caller)) {
      if (session.caller.deviceId === caller) counts[session.state] += 1;
    }
    return Promise.resolve(counts);
  }

  forgetOldestAnswered(tenant: TenantId, caller: DeviceId): Promise<boolean> {
    const oldest = this.sessionsOf(tenant, caller).find(
      (session) =>
        session.caller.deviceId === caller && session.state === 'answered' && !isAnsweredCall(session),
    );
    if (oldest) this.drop(keyOf(tenant, oldest.sessionId));
    return Promise.resolve(oldest !== undefined);
  }

  takeOf(tenant: TenantId, caller: DeviceId): Promise<readonly BrokeredSession[]> {
    const taken = this.sessionsOf(tenant, caller).filter(
      (session) => session.caller.deviceId === caller && !isAnsweredCall(session),
    );
    for (const session of taken) this.drop(keyOf(tenant, session.sessionId));
    return Promise.resolve(taken);
  }

  callsOf(tenant: TenantId, device: DeviceId): Promise<readonly BrokeredSession[]> {
    return Promise.resolve(this.sessionsOf(tenant, device).filter(({ call }) => call !== null));
  }

  offersBetween(tenant: TenantId, caller: UserId, callee: UserId): Promise<readonly BrokeredSession[]> {
    const shortLived = Array.from(this.shortLived, (key) => this.sessions.get(key));
    return Promise.resolve(
      shortLived
        .filter((session) => session !== undefined)
        .filter(
          (session) =>
            session.tenant === tenant &&
            session.state === 'offered' &&
            !session.isMuted &&
            session.caller.userId === caller &&
            session.offered.some(({ userId }) => userId === callee),
        ),
    );
  }

  takeExpired(now: number): Promise<readonly BrokeredSession[]> {
    // Other answered sessions live for hours: looking through them once a minute is often enough.
    const keys = now >= this.answeredSweepAt ? [...this.sessions.keys()] : [...this.shortLived];
    if (now >= this.answeredSweepAt) this.answeredSweepAt = now + ANSWERED_SWEEP_MS;
    const expired: BrokeredSession[] = [];
    for (const key of keys) {
      const session = this.sessions.get(key);
      if (!session || session.expiresAt > now) continue;
      expired.push(session);
      this.drop(key);
    }
    return Promise.resolve(expired);
  }

  /** What was taken is in good hands: they end with this process. */
  confirmExpired(): Promise<void> {
    return Promise.resolve();
  }

  private put(session: BrokeredSession, key: string): void {
    this.sessions.set(key, session);
    if (session.state === 'offered' || isAnsweredCall(session)) this.shortLived.add(key);
    else this.shortLived.delete(key);
    this.index(session, key);
  }

  private sessionsOf(tenant: TenantId, party: DeviceId): BrokeredSession[] {
    const keys = this.byParty.get(keyOf(tenant, party)) ?? [];
    return Array.from(keys, (key) => this.sessions.get(key)).filter((session) => session !== undefined);
  }

  private drop(key: string): void {
    const session = this.sessions.get(key);
    if (!session) return;
    this.sessions.delete(key);
    this.shortLived.delete(key);
    for (const party of partiesOf(session)) {
      const keys = this.byParty.get(party);
      keys?.delete(key);
      if (keys?.size === 0) this.byParty.delete(party);
    }
  }

  private index(session: BrokeredSession, key: string): void {
    for (const party of partiesOf(session)) {
      this.byParty.set(party, (this.byParty.get(party) ?? new Set()).add(key));
    }
  }
}

function partiesOf({ tenant, caller, answeredBy }: BrokeredSession): string[] {
  const parties = answeredBy ? [caller, answeredBy] : [caller];
  return parties.map(({ deviceId }) => keyOf(tenant, deviceId));
}

function isAnsweredCall({ state, call }: BrokeredSession): boolean {
  return state === 'answered' && call !== null;
}
