import { Inject, Injectable } from '@nestjs/common';
import type { TenantId, UserId } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { PRESENCE_EPOCH } from './presence-epoch.port.ts';
import {
  PRESENCE_STORE,
  type DevicePresence,
  type PresenceStore,
  type PresenceVersion,
} from './presence-store.port.ts';

/** When and in which order something was said of a user. */
export interface PresenceStamp {
  readonly version: PresenceVersion;
  readonly asOf: number;
}

/** The stored presence of devices, every write stamped with the time and the next version of this supernode. */
@Injectable()
export class DevicePresences {
  private counter = 0;

  constructor(
    @Inject(PRESENCE_STORE) private readonly store: PresenceStore,
    @Inject(PRESENCE_EPOCH) private readonly epoch: number,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  now(): number {
    return this.clock.now();
  }

  stamp(): PresenceStamp {
    this.counter += 1;
    return { version: { epoch: this.epoch, counter: this.counter }, asOf: this.clock.now() };
  }

  of(tenant: TenantId, userId: UserId): Promise<readonly DevicePresence[]> {
    return this.store.devicesOf(tenant, userId);
  }

  async find({ tenant, userId, deviceId }: DeviceAddress): Promise<DevicePresence | undefined> {
    return (await this.store.devicesOf(tenant, userId)).find(({ device }) => device.deviceId === deviceId);
  }

  async write({ device, ...presence }: Omit<DevicePresence, 'version' | 'asOf'>): Promise<void> {
    const { tenant, userId, deviceId } = device;
    await this.store.put({ ...presence, device: { tenant, userId, deviceId }, ...this.stamp() });
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
