import { LIMITS, type DeviceId, type SessionId, type TenantId, type UserId } from '@parley/protocol';
import type { Clock } from '../clock/clock.port.ts';
import { SupernodeError } from '../errors.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import { sessionMember, type RedisKeys } from '../redis/redis-keys.ts';
import { listOf, numberOf, textOf, textsOf } from '../redis/redis-replies.ts';
import type { BrokeredSession, SessionState } from './brokered-session.ts';
import type { SessionBook } from './session-book.port.ts';
import {
  COUNT_SESSIONS,
  END_SESSION,
  OPEN_SESSION,
  REPLACE_SESSION,
  SESSIONS_IN,
  TAKE_EXPIRED_SESSIONS,
  TAKE_SESSIONS,
} from './session-scripts.ts';

/** Somebody takes expired sessions out every second; this is for a cluster that stopped. */
const MARGIN_MS = 3600_000;
/** Each failure means that somebody else changed the session in between, and few ever want to. */
const MAX_ATTEMPTS = 32;
const EXPIRED_AT_ONCE = 200;
/** Who took expired sessions and did not confirm it by then is gone, or never got the answer. */
const CONFIRM_WITHIN_MS = 10_000;
const ALL = '1000000';

/**
 * The sessions of a cluster. A session belongs to users of two homes, so there is no tenure to fence it by: its record changes only
 * from the version that was read. One hash tag holds all, so that every operation is one step: a session is a few kilobytes for a
 * few seconds, and a single server takes tens of thousands of such steps each second.
 */
export class RedisSessionBook implements SessionBook {
  constructor(
    private readonly redis: RedisCommands,
    private readonly keys: RedisKeys,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  async open(session: BrokeredSession, now: number): Promise<boolean> {
    const { tenant, sessionId } = session;
    const used = this.keys.usedSession(tenant, sessionId);
    const keys = [...this.recordKeys(tenant, sessionId), used, ...this.indexesOf(session)];
    const window = [now, LIMITS.replayWindowMs, LIMITS.replayWindowMs + 1].map(String);
    return (await this.redis.run(OPEN_SESSION, keys, [...this.fieldsOf(session), ...window])) === 1;
  }

  async find(tenant: TenantId, sessionId: SessionId): Promise<BrokeredSession | undefined> {
    return (await this.read(tenant, sessionId))?.session;
  }

  async change(
    tenant: TenantId,
    sessionId: SessionId,
    change: (session: BrokeredSession) => BrokeredSession | null | undefined,
  ): Promise<BrokeredSession | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const before = await this.read(tenant, sessionId);
      const after = before && change(before.session);
      if (!before || after === undefined) return undefined;
      const isDone = after === null ? await this.end(before) : await this.replace(after, before.version);
      if (isDone) return before.session;
    }
    throw new SupernodeError('SN_STORE_CONTENDED', `A session changed ${MAX_ATTEMPTS} times in between.`);
  }

  async countOf(tenant: TenantId, caller: DeviceId): Promise<Readonly<Record<SessionState, number>>> {
    const index = this.keys.sessionsOf(tenant, caller);
    const counts = listOf(await this.redis.run(COUNT_SESSIONS, [index], [this.keys.sessionPrefix, caller]));
    return { offered: numberOf(counts[0]), answered: numberOf(counts[1]) };
  }

  async forgetOldestAnswered(tenant: TenantId, caller: DeviceId): Promise<boolean> {
    return (await this.take(tenant, caller, '1', true)).length > 0;
  }

  takeOf(tenant: TenantId, caller: DeviceId): Promise<readonly BrokeredSession[]> {
    return this.take(tenant, caller, ALL, false);
  }

  async callsOf(tenant: TenantId, device: DeviceId): Promise<readonly BrokeredSession[]> {
    const sessions = await this.sessionsIn(this.keys.sessionsOf(tenant, device));
    return sessions.filter(({ call }) => call !== null);
  }

  offersBetween(tenant: TenantId, caller: UserId, callee: UserId): Promise<readonly BrokeredSession[]> {
    return this.sessionsIn(this.keys.offersBetween(tenant, caller, callee));
  }

  async takeExpired(now: number): Promise<readonly BrokeredSession[]> {
    const expired: BrokeredSession[] = [];
    const keys = [this.keys.sessionExpiries, this.keys.sessionsTaken];
    const times = [now, EXPIRED_AT_ONCE, now + CONFIRM_WITHIN_MS, MARGIN_MS].map(String);
    for (;;) {
      const taken = await this.redis.run(TAKE_EXPIRED_SESSIONS, keys, [this.keys.sessionPrefix, ...times]);
      expired.push(...textsOf(taken).map(sessionIn));
      if (listOf(taken).length < EXPIRED_AT_ONCE) return expired;
    }
  }

  async confirmExpired(sessions: readonly BrokeredSession[]): Promise<void> {
    if (sessions.length === 0) return;
    const key = this.keys.sessionsTaken;
    await this.redis.command(key, ['ZREM', key, ...sessions.map(storedForm)]);
  }

  private async read(
    tenant: TenantId,
    sessionId: SessionId,
  ): Promise<{ readonly session: BrokeredSession; readonly version: string } | undefined> {
    const key = this.keys.session(tenant, sessionId);
    const [session, version] = listOf(await this.redis.command(key, ['HMGET', key, 's', 'v']));
    if (typeof session !== 'string') return undefined;
    return { session: sessionIn(session), version: textOf(version) };
  }

  private async replace(session: BrokeredSession, version: string): Promise<boolean> {
    const { tenant, sessionId } = session;
    const keys = [...this.recordKeys(tenant, sessionId), ...this.indexesOf(session)];
    return (await this.redis.run(REPLACE_SESSION, keys, [...this.fieldsOf(session), version])) === 1;
  }

  private async end({
    session: { tenant, sessionId },
    version,
  }: {
    readonly session: BrokeredSession;
    readonly version: string;
  }): Promise<boolean> {
    const args = [sessionMember(tenant, sessionId), version];
    return (await this.redis.run(END_SESSION, this.recordKeys(tenant, sessionId), args)) === 1;
  }

  private async take(
    tenant: TenantId,
    caller: DeviceId,
    most: string,
    onlyAnswered: boolean,
  ): Promise<readonly BrokeredSession[]> {
    const keys = [this.keys.sessionsOf(tenant, caller), this.keys.sessionExpiries];
    const args = [this.keys.sessionPrefix, caller, most, onlyAnswered ? '1' : '0'];
    return textsOf(await this.redis.run(TAKE_SESSIONS, keys, args)).map(sessionIn);
  }

  private async sessionsIn(index: string): Promise<readonly BrokeredSession[]> {
    return textsOf(await this.redis.run(SESSIONS_IN, [index], [this.keys.sessionPrefix])).map(sessionIn);
  }

  private recordKeys(tenant: TenantId, sessionId: SessionId): [string, string] {
    return [this.keys.session(tenant, sessionId), this.keys.sessionExpiries];
  }

  private fieldsOf(session: BrokeredSession): string[] {
    const { tenant, sessionId, state, call, caller, expiresAt } = session;
    const ttlMs = Math.max(0, Math.ceil(expiresAt - this.clock.now())) + MARGIN_MS;
    const isCall = call === null ? '0' : '1';
    const member = sessionMember(tenant, sessionId);
    return [member, storedForm(session), state, isCall, caller.deviceId, String(expiresAt), String(ttlMs)];
  }

  /** The caller, whoever answered, and the users to whom the offer is still open. */
  private indexesOf(session: BrokeredSession): string[] {
    const { tenant, caller, answeredBy, state, isMuted, offered } = session;
    const parties = new Set([caller.deviceId, ...(answeredBy ? [answeredBy.deviceId] : [])]);
    const isOpen = state === 'offered' && !isMuted;
    const callees = new Set(isOpen ? offered.map(({ userId }) => userId) : []);
    return [
      ...Array.from(parties, (device) => this.keys.sessionsOf(tenant, device)),
      ...Array.from(callees, (callee) => this.keys.offersBetween(tenant, caller.userId, callee)),
    ];
  }
}

/** The same for a session as it was read: what is stored is found by it. */
function storedForm(session: BrokeredSession): string {
  return JSON.stringify({ ...session, relays: [...session.relays] });
}

function sessionIn(stored: string): BrokeredSession {
  const session = JSON.parse(stored) as Omit<BrokeredSession, 'relays'> & {
    readonly relays: readonly [DeviceId, string][];
  };
  return { ...session, relays: new Map(session.relays) };
}
