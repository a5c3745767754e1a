import type { TenantId, UserId } from '@parley/protocol';
import type {
  AccountPresence,
  PresenceProfile,
  PresenceProfiles,
  PresenceTransitionEntry,
} from '../presence-profile.port.ts';

/** Durable presence facts in memory; `isDown` makes every call fail as a lost database does. */
export class MemoryPresenceProfiles implements PresenceProfiles {
  readonly history: PresenceTransitionEntry[] = [];
  isDown = false;
  private readonly profiles = new Map<string, PresenceProfile>();

  load(tenant: TenantId, userId: UserId): Promise<PresenceProfile | undefined> {
    return this.answer(() => this.profiles.get(`${tenant} ${userId}`));
  }

  lastSeenOf(tenant: TenantId, userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, number>> {
    return this.answer(() => {
      const seen = new Map<UserId, number>();
      for (const userId of userIds) {
        const lastSeen = this.profiles.get(`${tenant} ${userId}`)?.lastSeen;
        if (typeof lastSeen === 'number') seen.set(userId, lastSeen);
      }
      return seen;
    });
  }

  accounts(tenant: TenantId, after: UserId | undefined, limit: number): Promise<readonly AccountPresence[]> {
    return this.answer(() =>
      [...this.profiles]
        .map(([key, { lastSeen }]) => ({ key: key.split(' '), lastSeen }))
        .filter(({ key: [owner, userId] }) => owner === tenant && (after === undefined || userId! > after))
        .map(({ key, lastSeen }) => ({ userId: key[1] as UserId, lastSeen }))
        .sort((a, b) => (a.userId < b.userId ? -1 : 1))
        .slice(0, limit),
    );
  }

  saveChoice(
    tenant: TenantId,
    userId: UserId,
    chosen: PresenceProfile['chosen'],
    statusText: string | null,
  ): Promise<void> {
    return this.answer(() => this.merge(tenant, userId, { chosen, statusText }));
  }

  saveLastSeen(tenant: TenantId, userId: UserId, lastSeen: number): Promise<void> {
    return this.answer(() => this.merge(tenant, userId, { lastSeen }));
  }

  record(transitions: readonly PresenceTransitionEntry[]): Promise<void> {
    return this.answer(() => void this.history.push(...transitions));
  }

  prune(): Promise<number> {
    return this.answer(() => this.history.splice(0).length);
  }

  private merge(tenant: TenantId, userId: UserId, change: Partial<PresenceProfile>): void {
    const before = this.profiles.get(`${tenant} ${userId}`) ?? {
      chosen: 'online',
      statusText: null,
      lastSeen: null,
    };
    this.profiles.set(`${tenant} ${userId}`, { ...before, ...change });
  }

  private answer<Result>(work: () => Result): Promise<Result> {
    return this.isDown ? Promise.reject(new TypeError('database is away')) : Promise.resolve(work());
  }
}
