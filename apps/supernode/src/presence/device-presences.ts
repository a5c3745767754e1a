import { Inject, Injectable } from '@nestjs/common';
import type { TenantId, UserId } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import {
  PRESENCE_STORE,
  type DevicePresence,
  type PresenceStore,
  type PresenceVersion,
  type UserPresence,
} from './presence-store.port.ts';

/** When and in which order something was said of a user. */
export interface PresenceStamp {
  readonly version: PresenceVersion;
  readonly asOf: number;
}

/** The stored presence of devices, every write stamped with the time. */
@Injectable()
export class DevicePresences {
  constructor(
    @Inject(PRESENCE_STORE) private readonly store: PresenceStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  now(): number {
    return this.clock.now();
  }

  /** What is stored of a user, and the stamp of a view made of it. */
  async read(tenant: TenantId, userId: UserId): Promise<UserPresence & PresenceStamp> {
    return { ...(await this.store.read(tenant, userId)), asOf: this.clock.now() };
  }

  of(tenant: TenantId, userId: UserId): Promise<readonly DevicePresence[]> {
    return this.store.devicesOf(tenant, userId);
  }

  async find({ tenant, userId, deviceId }: DeviceAddress): Promise<DevicePresence | undefined> {
    return (await this.store.devicesOf(tenant, userId)).find(({ device }) => device.deviceId === deviceId);
  }

  async write({ device, ...presence }: Omit<DevicePresence, 'asOf'>): Promise<void> {
    const { tenant, userId, deviceId } = device;
    await this.store.put({ ...presence, device: { tenant, userId, deviceId }, asOf: this.clock.now() });
  }

  /** Writes what the user chose on this device. */
  async choose(
    presence: DevicePresence,
    state: DevicePresence['state'],
    statusText: string | null,
  ): Promise<void> {
    await this.write({ ...presence, state, statusText, setAt: this.clock.now() });
  }

  async remove(device: DeviceAddress): Promise<void> {
    await this.store.remove(device);
  }
}
