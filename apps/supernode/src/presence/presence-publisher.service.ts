import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import { userKey } from '../identity/caller.ts';
import { coalesce, visibleTo, type UserState } from './coalesce.ts';
import { PRESENCE_PROFILES, type PresenceCause, type PresenceProfiles } from './presence-profile.port.ts';
import {
  PRESENCE_STORE,
  WATCH_STORE,
  type DevicePresence,
  type PresenceStore,
  type WatchStore,
} from './presence-store.port.ts';
import { PresenceViews } from './presence-views.service.ts';

interface Published {
  readonly full: UserState;
  readonly visible: UserState;
  /** States of the single devices, which the user's own devices see. */
  readonly devices: string;
}

const NOTHING: Published = {
  full: { state: 'offline', statusText: null },
  visible: { state: 'offline', statusText: null },
  devices: '',
};

const same = (a: UserState, b: UserState): boolean => a.state === b.state && a.statusText === b.statusText;

/** Compares what a user shows with what was last shown, and tells exactly those watchers for whom it changed. */
@Injectable()
export class PresencePublisher {
  /** One entry per user who shows anything but plain absence. */
  private readonly published = new Map<string, Published>();

  constructor(
    @Inject(PRESENCE_STORE) private readonly store: PresenceStore,
    @Inject(WATCH_STORE) private readonly watches: WatchStore,
    @Inject(PRESENCE_PROFILES) private readonly profiles: PresenceProfiles,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly views: PresenceViews,
    private readonly background: BackgroundTasks,
  ) {}

  /** Call it serially per user, after the store was changed. */
  async publish(
    tenant: TenantId,
    userId: UserId,
    cause: PresenceCause,
    deviceId: DeviceId | null,
  ): Promise<void> {
    const key = userKey(tenant, userId);
    const before = this.published.get(key) ?? NOTHING;
    const now = snapshot(await this.store.devicesOf(tenant, userId));
    if (now.devices === '') this.published.delete(key);
    else this.published.set(key, now);

    // Presence goes on without the database: what can't be written is logged, and watchers are told all the same.
    const at = this.clock.now();
    if (before.visible.state !== 'offline' && now.visible.state === 'offline') {
      await this.background.attempt('saving last seen', () => this.profiles.saveLastSeen(tenant, userId, at));
    }
    if (before.full.state !== now.full.state) {
      const transition = { tenant, userId, deviceId, from: before.full.state, to: now.full.state, cause, at };
      await this.background.attempt('recording presence history', () => this.profiles.record(transition));
    }
    const forOthers = !same(before.visible, now.visible);
    const forOwn = forOthers || !same(before.full, now.full) || before.devices !== now.devices;
    if (forOwn) await this.fanOut(tenant, userId, (watcher) => forOthers || watcher === userId);
  }

  /** Tells the devices of `watcher` how `userId` looks to them from now on, whatever they were told before. */
  async refresh(tenant: TenantId, userId: UserId, watcher: UserId): Promise<void> {
    await this.fanOut(tenant, userId, (candidate) => candidate === watcher);
  }

  private async fanOut(
    tenant: TenantId,
    userId: UserId,
    concerns: (watcher: UserId) => boolean,
  ): Promise<void> {
    const watchers = (await this.watches.watchersOf(tenant, userId)).filter((watcher) =>
      concerns(watcher.userId),
    );
    if (watchers.length === 0) return;
    const views = await this.views.toWatchers(
      tenant,
      userId,
      watchers.map((watcher) => watcher.userId),
    );
    for (const watcher of watchers) {
      const view = views.get(watcher.userId);
      if (view) this.notifier.notifyDevice({ tenant, ...watcher }, 'presence.changed', view);
    }
  }
}

function snapshot(devices: readonly DevicePresence[]): Published {
  const full = coalesce(devices);
  const described = devices.map(
    ({ device, present, state }) => `${device.deviceId}=${present ? state : 'offline'}`,
  );
  return { full, visible: visibleTo(full), devices: described.sort().join(' ') };
}
