import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import { userKey } from '../identity/caller.ts';
import { SerialByKey } from '../serial-by-key.ts';
import { coalesce, visibleTo, type UserState } from './coalesce.ts';
import { DevicePresences } from './device-presences.ts';
import { PresenceHistory } from './presence-history.service.ts';
import type { PresenceCause } from './presence-profile.port.ts';
import { WATCH_STORE, type DevicePresence, type WatchStore } from './presence-store.port.ts';
import { PresenceViews } from './presence-views.service.ts';

/** Whose presence changes, why, and by which device. */
export interface PresenceChange {
  readonly tenant: TenantId;
  readonly userId: UserId;
  readonly deviceId: DeviceId;
  readonly cause: PresenceCause;
}

interface Shown {
  readonly full: UserState;
  readonly visible: UserState;
  /** States of the single devices, which the user's own devices see. */
  readonly devices: string;
}

const ABSENT: UserState = { state: 'offline', statusText: null };
const NOTHING: Shown = { full: ABSENT, visible: ABSENT, devices: '' };

const same = (a: UserState, b: UserState): boolean => a.state === b.state && a.statusText === b.statusText;

/**
 * Changes what is stored of a user, one change after another; then compares what the user shows with what was last shown
 * and tells exactly those watchers for whom it differs.
 */
@Injectable()
export class PresenceChanges {
  private readonly serial = new SerialByKey();
  /** One entry per user who shows anything but plain absence. */
  private readonly shown = new Map<string, Shown>();

  constructor(
    private readonly devices: DevicePresences,
    @Inject(WATCH_STORE) private readonly watches: WatchStore,
    private readonly views: PresenceViews,
    private readonly history: PresenceHistory,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
  ) {}

  async apply(change: PresenceChange, write: () => Promise<void>): Promise<void> {
    await this.serial.run(userKey(change.tenant, change.userId), async () => {
      await write();
      await this.publish(change);
    });
  }

  /** Tells the devices of `watcher` how `userId` looks to them from now on, whatever they were told before. */
  async refresh(tenant: TenantId, userId: UserId, watcher: UserId): Promise<void> {
    await this.serial.run(userKey(tenant, userId), () =>
      this.fanOut(tenant, userId, (candidate) => candidate === watcher),
    );
  }

  private async publish({ tenant, userId, deviceId, cause }: PresenceChange): Promise<void> {
    const key = userKey(tenant, userId);
    const before = this.shown.get(key) ?? NOTHING;
    const now = shownBy(await this.devices.of(tenant, userId));
    if (now.devices === '') this.shown.delete(key);
    else this.shown.set(key, now);

    const [from, to] = [before.full.state, now.full.state];
    if (before.visible.state !== 'offline' && now.visible.state === 'offline') {
      await this.history.left({ tenant, userId });
    }
    if (from !== to) await this.history.record({ tenant, userId, deviceId, from, to, cause });

    const forOthers = !same(before.visible, now.visible);
    const forOwn = forOthers || !same(before.full, now.full) || before.devices !== now.devices;
    if (forOwn) await this.fanOut(tenant, userId, (watcher) => forOthers || watcher === userId);
  }

  private async fanOut(
    tenant: TenantId,
    userId: UserId,
    concerns: (watcher: UserId) => boolean,
  ): Promise<void> {
    const watchers = (await this.watches.watchersOf(tenant, userId)).filter((device) =>
      concerns(device.userId),
    );
    if (watchers.length === 0) return;
    const watching = watchers.map((device) => device.userId);
    const views = await this.views.toWatchers(tenant, userId, watching);
    for (const watcher of watchers) {
      const view = views.get(watcher.userId);
      if (view) this.notifier.notifyDevice({ tenant, ...watcher }, 'presence.changed', view);
    }
  }
}

function shownBy(devices: readonly DevicePresence[]): Shown {
  const full = coalesce(devices);
  const described = devices.map(
    ({ device, present, state }) => `${device.deviceId}=${present ? state : 'offline'}`,
  );
  return { full, visible: visibleTo(full), devices: described.sort().join(' ') };
}
