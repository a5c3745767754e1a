import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import { coalesce } from '../presence/coalesce.ts';
import { DevicePresences } from '../presence/device-presences.ts';

/** A user's devices that can be told something now or in a moment, and whether the user wants to be seen. */
@Injectable()
export class ReachableDevices {
  constructor(
    private readonly presence: DevicePresences,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
  ) {}

  connectedOf(tenant: TenantId, userId: UserId): Promise<readonly DeviceId[]> {
    return this.notifier.connectedDevices(tenant, userId);
  }

  async of(
    tenant: TenantId,
    userId: UserId,
  ): Promise<{ readonly devices: readonly DeviceId[]; readonly isHidden: boolean }> {
    const { state } = coalesce(await this.presence.of(tenant, userId));
    // Who is seen online can be called: a device that is reconnecting hears of it when it is back.
    const isThere = state !== 'offline' || (await this.notifier.connectedDevices(tenant, userId)).length > 0;
    const devices = isThere ? await this.notifier.resumableDevices(tenant, userId) : [];
    return { devices, isHidden: state === 'invisible' };
  }
}
