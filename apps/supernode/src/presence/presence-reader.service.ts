import { Inject, Injectable } from '@nestjs/common';
import type { TenantId, UserId } from '@parley/protocol';
import { coalesce } from './coalesce.ts';
import { PRESENCE_PROFILES, type AccountPresence, type PresenceProfiles } from './presence-profile.port.ts';
import type { AdminPresence, PresenceQuery, PresenceReader } from './presence-reader.port.ts';
import { PRESENCE_STORE, type PresenceStore } from './presence-store.port.ts';

/** Users read at a time while looking for those that fit a filter. */
const BATCH = 500;
/** Users whose devices are read side by side. */
const AT_ONCE = 100;
/** Users looked at for one page at most; a filter that fits few then gives a short page with a cursor. */
const MAX_SCANNED = 10_000;

/** Presence for administrators: live devices where there are any, else what the account remembers. */
@Injectable()
export class StoredPresenceReader implements PresenceReader {
  constructor(
    @Inject(PRESENCE_STORE) private readonly store: PresenceStore,
    @Inject(PRESENCE_PROFILES) private readonly profiles: PresenceProfiles,
  ) {}

  async page(query: PresenceQuery): Promise<{ items: readonly AdminPresence[]; next: UserId | null }> {
    const items: AdminPresence[] = [];
    let after = query.after;
    for (let scanned = 0; scanned < MAX_SCANNED; scanned += BATCH) {
      const batch = await this.batch(query, after);
      for (let at = 0; at < batch.length; at += AT_ONCE) {
        const some = batch.slice(at, at + AT_ONCE);
        for (const presence of await this.describeAll(query.tenant, some)) {
          if (fits(query, presence)) items.push(presence);
          if (items.length === query.limit) return { items, next: presence.userId };
          after = presence.userId;
        }
      }
      if (batch.length < BATCH) return { items, next: null };
    }
    return { items, next: after ?? null };
  }

  async find(tenant: TenantId, userId: UserId): Promise<AdminPresence | undefined> {
    const profile = await this.profiles.load(tenant, userId);
    return profile && this.describe(tenant, { userId, lastSeen: profile.lastSeen });
  }

  /** Only users with a live device can be anything but offline: for those states the live index is enough. */
  private async batch(
    { tenant, state }: PresenceQuery,
    after: UserId | undefined,
  ): Promise<readonly AccountPresence[]> {
    if (state === undefined || state === 'offline') return this.profiles.accounts(tenant, after, BATCH);
    const users = await this.store.users({ tenant, limit: BATCH, ...(after !== undefined && { after }) });
    const lastSeen = await this.profiles.lastSeenOf(tenant, users);
    return users.map((userId) => ({ userId, lastSeen: lastSeen.get(userId) ?? null }));
  }

  private describeAll(tenant: TenantId, accounts: readonly AccountPresence[]): Promise<AdminPresence[]> {
    return Promise.all(accounts.map((account) => this.describe(tenant, account)));
  }

  private async describe(tenant: TenantId, { userId, lastSeen }: AccountPresence): Promise<AdminPresence> {
    const devices = await this.store.devicesOf(tenant, userId);
    return {
      userId,
      ...coalesce(devices),
      lastSeen,
      devices: devices.map(({ device, state, present, reachable, asOf }) => ({
        deviceId: device.deviceId,
        state: present ? state : 'offline',
        reachable,
        asOf,
      })),
      updatedAt: Math.max(lastSeen ?? 0, ...devices.map(({ asOf }) => asOf)),
    };
  }
}

function fits({ state, updatedSince }: PresenceQuery, presence: AdminPresence): boolean {
  return (state === undefined || presence.state === state) && presence.updatedAt >= (updatedSince ?? 0);
}
