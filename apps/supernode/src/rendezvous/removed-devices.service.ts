import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { DeviceChannels } from '../gateway/device-channels.ts';
import { RELAY_ACCESS, type RelayAccess } from '../gateway/relay-access.port.ts';
import { AccountChanges } from '../identity/account-changes.ts';
import type { AccountObserver, DeviceListChange } from '../identity/account-observer.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { LINKS, type Links } from '../links/links.port.ts';
import { tellAllOthers } from '../links/tell-all-others.ts';

/**
 * A device that its user removed loses its relays at every supernode, since its credentials would be taken at each until they
 * expire. The home itself does so at once, when it cuts the device off.
 */
@Injectable()
export class RemovedDevices implements AccountObserver, OnModuleInit {
  constructor(
    private readonly changes: AccountChanges,
    @Inject(DeviceChannels) private readonly channels: Pick<DeviceChannels, 'end'>,
    @Inject(RELAY_ACCESS) private readonly relay: Pick<RelayAccess, 'revoke'>,
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'self' | 'aliveNodes'>,
    @Inject(LINKS) private readonly links: Pick<Links, 'tell' | 'onTell'>,
  ) {}

  onModuleInit(): void {
    this.changes.subscribe(this);
    this.links.onTell('device.revoked', ({ device }) => this.cutOff(device));
  }

  deviceListChanged({ tenant, userId, removed }: DeviceListChange): void {
    for (const deviceId of removed) {
      tellAllOthers(this.ownership, this.links, 'device.revoked', { device: { tenant, userId, deviceId } });
    }
  }

  private async cutOff(device: DeviceAddress): Promise<void> {
    await this.channels.end(device, 'revoked');
    await this.relay.revoke(device);
  }
}
