import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { DeviceChannels } from '../gateway/device-channels.ts';
import { RELAY_ACCESS, type RelayAccess } from '../gateway/relay-access.port.ts';
import { AccountChanges } from '../identity/account-changes.ts';
import type { AccountObserver, DeviceListChange } from '../identity/account-observer.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { LINKS, type Links } from '../links/links.port.ts';

/** Rare, and worth more than an event: a removed device must not go on where a link was down for a while. */
const DEADLINE_MS = 300_000;

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
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'self' | 'activeNodes'>,
    @Inject(LINKS) private readonly links: Pick<Links, 'tell' | 'onTell'>,
  ) {}

  onModuleInit(): void {
    this.changes.subscribe(this);
    this.links.onTell('device.revoked', ({ device }) => this.cutOff(device));
  }

  deviceListChanged({ tenant, userId, removed }: DeviceListChange): void {
    const others = this.ownership.activeNodes().filter((node) => node !== this.ownership.self);
    for (const deviceId of removed) {
      const device = { tenant, userId, deviceId };
      for (const node of others) {
        this.links.tell(node, 'device.revoked', { device }, { deadlineMs: DEADLINE_MS });
      }
    }
  }

  private async cutOff(device: DeviceAddress): Promise<void> {
    await this.channels.end(device, 'revoked');
    await this.relay.revoke(device);
  }
}
