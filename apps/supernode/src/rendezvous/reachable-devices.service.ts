import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import { coalesce } from '../presence/coalesce.ts';
import { PRESENCE_STORE, type PresenceStore } from '../presence/presence-store.port.ts';

/** A user's devices with a live connection, and whether the user wants to be seen. */
@Injectable()
export class ReachableDevices {
  constructor(
    @Inject(PRESENCE_STORE) private readonly presence: PresenceStore,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
  ) {}

  async of(
    tenant: TenantId,
    userId: UserId,
  ): Promise<{ readonly connected: readonly DeviceId[]; readonly isHidden: boolean }> {
    const { state } = coalesce(await this.presence.devicesOf(tenant, userId));
    return { connected: this.notifier.connectedDevices(tenant, userId), isHidden: state === 'invisible' };
  }
}
