import { LIMITS, type DeviceId, type SessionId, type TenantId } from '@parley/protocol';
import type { BrokeredSession, SessionState } from './brokered-session.ts';
import type { SessionBook } from './session-book.port.ts';

const keyOf = (tenant: TenantId, id: SessionId | DeviceId): string => `${tenant} ${id}`;

/** The sessions that one standalone supernode brokers. Bounded by the signed-in devices times their limits. */
export class MemorySessionBook implements SessionBook {
  private readonly sessions = new Map<string, BrokeredSession>();
  private readonly byCaller = new Map<string, Set<string>>();
  /** Session ids used within the replay window, in the order of their use, with the time of it. */
  private readonly used = new Map<string, number>();

  open(session: BrokeredSession, now: number): Promise<boolean> {
    this.forgetUsedBefore(now - LIMITS.replayWindowMs);
    const key = keyOf(session.tenant, session.sessionId);
    if (this.used.has(key) || this.sessions.has(key)) return Promise.resolve(false);
    this.used.set(key, now);
    this.sessions.set(key, session);
    const caller = keyOf(session.tenant, session.caller.deviceId);
    this.byCaller.set(caller, (this.byCaller.get(caller) ?? new Set()).add(key));
    return Promise.resolve(true);
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
    else this.sessions.set(key, after);
    return Promise.resolve(before);
  }

  countOf(tenant: TenantId, caller: DeviceId): Promise<Readonly<Record<SessionState, number>>> {
    const counts = { offered: 0, answered: 0 };
    for (const session of this.sessionsOf(tenant, caller)) counts[session.state] += 1;
    return Promise.resolve(counts);
  }

  takeOf(tenant: TenantId, caller: DeviceId): Promise<readonly BrokeredSession[]> {
    const taken = this.sessionsOf(tenant, caller);
    for (const session of taken) this.drop(keyOf(tenant, session.sessionId));
    return Promise.resolve(taken);
  }

  takeExpired(now: number): Promise<readonly BrokeredSession[]> {
    const expired = [...this.sessions].filter(([, session]) => session.expiresAt <= now);
    for (const [key] of expired) this.drop(key);
    return Promise.resolve(expired.map(([, session]) => session));
  }

  private sessionsOf(tenant: TenantId, caller: DeviceId): BrokeredSession[] {
    const keys = this.byCaller.get(keyOf(tenant, caller)) ?? [];
    return Array.from(keys, (key) => this.sessions.get(key)).filter((session) => session !== undefined);
  }

  private drop(key: string): void {
    const session = this.sessions.get(key);
    if (!session) return;
    this.sessions.delete(key);
    const caller = keyOf(session.tenant, session.caller.deviceId);
    const keys = this.byCaller.get(caller);
    keys?.delete(key);
    if (keys?.size === 0) this.byCaller.delete(caller);
  }

  private forgetUsedBefore(time: number): void {
    for (const [key, usedAt] of this.used) {
      if (usedAt >= time) return;
      this.used.delete(key);
    }
  }
}
