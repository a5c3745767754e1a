import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { AccountChanges } from '../identity/account-changes.ts';
import type { AccountObserver, DeviceListChange } from '../identity/account-observer.port.ts';
import { DeviceChannels } from './device-channels.ts';
import { NOTIFIER, type Notifier } from './notifier.port.ts';
import { RELAY_ACCESS, type RelayAccess } from './relay-access.port.ts';

/** Brings a change of a device list to the user's connections: added devices take part, removed ones are cut off. */
@Injectable()
export class AccountEvents implements AccountObserver, OnModuleInit {
  constructor(
    private readonly changes: AccountChanges,
    private readonly channels: DeviceChannels,
    @Inject(NOTIFIER) private readonly notifier: Notifier,
    @Inject(RELAY_ACCESS) private readonly relay: RelayAccess,
  ) {}

  onModuleInit(): void {
    this.changes.subscribe(this);
  }

  async deviceListChanged({ tenant, userId, version, added, removed }: DeviceListChange): Promise<void> {
    for (const deviceId of removed) {
      const device = { tenant, userId, deviceId };
      await this.channels.end(device, 'revoked');
      await this.relay.revoke(device);
    }
    for (const deviceId of added) await this.channels.linked({ tenant, userId, deviceId });
    this.notifier.notifyUser(tenant, userId, 'account.devices-changed', { userId, version });
  }
}
