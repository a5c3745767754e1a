import { Inject, Injectable } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { ConnectionObserver } from '../gateway/connection-observer.port.ts';
import { deviceKey, userKey, type DeviceAddress } from '../identity/caller.ts';
import { LIMITS } from '@parley/protocol';
import { PRESENCE_PROFILES, type PresenceProfiles } from './presence-profile.port.ts';
import { PresencePublisher } from './presence-publisher.service.ts';
import { PresenceService } from './presence.service.ts';
import {
  PRESENCE_STORE,
  WATCH_STORE,
  type DevicePresence,
  type PresenceStore,
  type WatchStore,
} from './presence-store.port.ts';
import { PresenceViews } from './presence-views.service.ts';
import { SerialByKey } from '../serial-by-key.ts';

/** How long a lost connection goes unnoticed by watchers, in milliseconds. */
export const PRESENCE_GRACE_MS = Symbol('PresenceGraceMs');

/**
 * Turns what happens to connections into presence. A lost connection shows only after the grace time, so that a device
 * that comes back in time causes no flap; a sign-off shows at once.
 */
@Injectable()
export class ConnectionPresence implements ConnectionObserver {
  /** One timer per device within its grace time. */
  private readonly graces = new Map<string, () => void>();

  constructor(
    @Inject(PRESENCE_STORE) private readonly store: PresenceStore,
    @Inject(WATCH_STORE) private readonly watches: WatchStore,
    @Inject(PRESENCE_PROFILES) private readonly profiles: PresenceProfiles,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(PRESENCE_GRACE_MS) private readonly graceMs: number,
    private readonly views: PresenceViews,
    private readonly publisher: PresencePublisher,
    private readonly presence: PresenceService,
    private readonly serial: SerialByKey,
    private readonly background: BackgroundTasks,
  ) {}

  async deviceReachable(device: DeviceAddress, how: 'signed-in' | 'resumed'): Promise<void> {
    const { tenant, userId, deviceId } = device;
    await this.serial.run(userKey(tenant, userId), async () => {
      this.endGrace(device);
      if (how === 'signed-in') await this.watches.unwatchAll(device);
      const stored = await this.find(device);
      const settings = stored ?? (await this.chosen(device));
      await this.put({ ...settings, device, present: true, reachable: true, resumableUntil: null });
      await this.publisher.publish(tenant, userId, 'signed-in', deviceId);
    });
  }

  async deviceUnreachable(device: DeviceAddress): Promise<void> {
    const { tenant, userId, deviceId } = device;
    await this.serial.run(userKey(tenant, userId), async () => {
      const stored = await this.find(device);
      if (!stored) return;
      const resumableUntil = this.clock.now() + LIMITS.resumeWindowMs;
      await this.put({ ...stored, reachable: false, resumableUntil });
      this.endGrace(device);
      const cancel = this.scheduler.after(
        this.graceMs,
        () => void this.background.attempt('ending a grace time', () => this.graceOver(device)),
      );
      this.graces.set(deviceKey(device), cancel);
      await this.publisher.publish(tenant, userId, 'connection-lost', deviceId);
    });
  }

  async deviceGone(device: DeviceAddress, cause: 'signed-off' | 'expired' | 'revoked'): Promise<void> {
    const { tenant, userId, deviceId } = device;
    await this.serial.run(userKey(tenant, userId), async () => {
      this.endGrace(device);
      this.presence.forgetExpiry(device);
      await this.watches.unwatchAll(device);
      await this.store.remove(device);
      await this.publisher.publish(tenant, userId, cause === 'expired' ? 'connection-lost' : cause, deviceId);
    });
  }

  private async graceOver(device: DeviceAddress): Promise<void> {
    const { tenant, userId, deviceId } = device;
    await this.serial.run(userKey(tenant, userId), async () => {
      this.graces.delete(deviceKey(device));
      const stored = await this.find(device);
      if (!stored || stored.reachable) return;
      await this.put({ ...stored, present: false });
      await this.publisher.publish(tenant, userId, 'connection-lost', deviceId);
    });
  }

  private async chosen({
    tenant,
    userId,
  }: DeviceAddress): Promise<Pick<DevicePresence, 'state' | 'statusText' | 'setAt'>> {
    const profile = await this.profiles.load(tenant, userId);
    return {
      state: profile?.chosen ?? 'online',
      statusText: profile?.statusText ?? null,
      setAt: this.clock.now(),
    };
  }

  private async find({ tenant, userId, deviceId }: DeviceAddress): Promise<DevicePresence | undefined> {
    return (await this.store.devicesOf(tenant, userId)).find(({ device }) => device.deviceId === deviceId);
  }

  private async put(presence: Omit<DevicePresence, 'version' | 'asOf'>): Promise<void> {
    await this.store.put({ ...presence, version: this.views.nextVersion(), asOf: this.clock.now() });
  }

  private endGrace(device: DeviceAddress): void {
    const key = deviceKey(device);
    this.graces.get(key)?.();
    this.graces.delete(key);
  }
}
