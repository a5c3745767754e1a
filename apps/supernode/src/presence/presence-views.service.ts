import { Inject, Injectable } from '@nestjs/common';
import type { Presence, PresenceState, TenantId, UserId } from '@parley/protocol';
import { CONTACT_BOOK, type ContactBook } from '../contacts/contact-book.port.ts';
import { DevicePresences } from './device-presences.ts';
import { coalesce, visibleTo } from './coalesce.ts';
import { PRESENCE_PROFILES, type PresenceProfiles } from './presence-profile.port.ts';
import { ownView, strangerView, watcherView } from './presence-view.ts';

/** One user of a tenant who looks. */
export interface Viewer {
  readonly tenant: TenantId;
  readonly userId: UserId;
}

/** How a user looks to one watcher; those who see the same get the same object. */
export interface WatcherView {
  readonly view: Presence;
  readonly isEntitled: boolean;
}

/** Answers who may see what of whom. The only place that decides entitlement. */
@Injectable()
export class PresenceViews {
  constructor(
    private readonly devices: DevicePresences,
    @Inject(PRESENCE_PROFILES) private readonly profiles: PresenceProfiles,
    @Inject(CONTACT_BOOK) private readonly contacts: ContactBook,
  ) {}

  /** One view per target, in the order of the targets. */
  async of(viewer: Viewer, targets: readonly UserId[]): Promise<Presence[]> {
    const entitled = await this.entitledTo(viewer, targets);
    return this.build(viewer.tenant, targets, (userId) => {
      if (userId === viewer.userId) return ownView;
      return entitled.has(userId) ? watcherView : undefined;
    });
  }

  /** How one user looks to each of several watchers, with everything read once. */
  async toWatchers(
    tenant: TenantId,
    userId: UserId,
    watchers: readonly UserId[],
  ): Promise<(watcher: UserId) => WatcherView> {
    const [entitled, { devices, ...stamp }] = await Promise.all([
      this.entitledTo({ tenant, userId }, watchers),
      this.devices.read(tenant, userId),
    ]);
    // Others are told it of who is away, which most updates are not about.
    const isShown = watchers.includes(userId) || visibleTo(coalesce(devices)).state === 'offline';
    const lastSeen = isShown
      ? ((await this.profiles.lastSeenOf(tenant, [userId])).get(userId) ?? null)
      : null;
    const facts = { userId, devices, lastSeen };
    const forOwn = { view: ownView(facts, stamp), isEntitled: true };
    const forEntitled = { view: watcherView(facts, stamp), isEntitled: true };
    const forStrangers = { view: strangerView(userId, stamp), isEntitled: false };
    return (watcher) => {
      if (watcher === userId) return forOwn;
      return entitled.has(watcher) ? forEntitled : forStrangers;
    };
  }

  /** The state of `target` as far as `viewer` may know it. */
  async visibleState(viewer: Viewer, target: UserId): Promise<PresenceState> {
    const states = await this.visibleStates(viewer, [target]);
    return states.get(target) ?? 'offline';
  }

  async visibleStates(
    viewer: Viewer,
    targets: readonly UserId[],
  ): Promise<ReadonlyMap<UserId, PresenceState>> {
    const entitled = await this.entitledTo(viewer, targets);
    const visible = [...new Set(targets)].filter(
      (target) => target === viewer.userId || entitled.has(target),
    );
    const states = visible.map(async (target) => {
      const state = coalesce(await this.devices.of(viewer.tenant, target));
      return [target, (target === viewer.userId ? state : visibleTo(state)).state] as const;
    });
    return new Map(await Promise.all(states));
  }

  private async entitledTo(viewer: Viewer, targets: readonly UserId[]): Promise<ReadonlySet<UserId>> {
    const others = [...new Set(targets)].filter((target) => target !== viewer.userId);
    if (others.length === 0) return new Set();
    return new Set(await this.contacts.mutualContacts(viewer.tenant, viewer.userId, others));
  }

  private async build(
    tenant: TenantId,
    targets: readonly UserId[],
    kindOf: (userId: UserId) => typeof ownView | undefined,
  ): Promise<Presence[]> {
    const known = targets.filter((target) => kindOf(target));
    const lastSeen =
      known.length > 0 ? await this.profiles.lastSeenOf(tenant, known) : new Map<UserId, number>();
    // Of everybody, so that a stranger's view has a version of the same kind and takes as long.
    const views = targets.map(async (userId) => {
      const kind = kindOf(userId);
      const { devices, ...stamp } = await this.devices.read(tenant, userId);
      const facts = { userId, devices, lastSeen: lastSeen.get(userId) ?? null };
      return kind ? kind(facts, stamp) : strangerView(userId, stamp);
    });
    return Promise.all(views);
  }
}
