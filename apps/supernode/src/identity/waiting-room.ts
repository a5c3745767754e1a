import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { DeviceId, EventOf, TenantId } from '@parley/protocol';
import { NODE_ID } from '../cluster/node-identity.ts';
import type { NodeId } from '../cluster/node-record.ts';
import { LINKS, type Links } from '../links/links.port.ts';
import type { ConnectionContext } from './connection-context.ts';
import type { ProvenDevice } from './device-proof.ts';
import { WaitingDevices } from './waiting-devices.ts';
import { WAITING_PLACES, type WaitingPlaces } from './waiting-places.port.ts';

/** Devices that wait to be linked, here or at another supernode: they know no user yet whose home they could go to. */
@Injectable()
export class WaitingRoom implements OnModuleInit {
  constructor(
    private readonly devices: WaitingDevices,
    @Inject(WAITING_PLACES) private readonly places: WaitingPlaces,
    @Inject(NODE_ID) private readonly self: NodeId,
    @Inject(LINKS) private readonly links: Pick<Links, 'request' | 'onRequest'>,
  ) {}

  onModuleInit(): void {
    this.links.onRequest('link.waiting', ({ tenant, deviceId }) => ({
      isWaiting: this.devices.find(tenant, deviceId) !== undefined,
    }));
    this.links.onRequest('link.approved', ({ tenant, deviceId, event }) => ({
      isTold: this.tell(tenant, deviceId, event),
    }));
  }

  /** @throws Refusal LIMIT_EXCEEDED */
  async enter(device: ProvenDevice, connection: ConnectionContext): Promise<void> {
    this.devices.add(device, connection);
    await this.places.note(device.tenant, device.deviceId);
  }

  /** Whether the device is waiting on its connection now. */
  async has(tenant: TenantId, deviceId: DeviceId): Promise<boolean> {
    if (this.devices.find(tenant, deviceId)) return true;
    const place = await this.places.find(tenant, deviceId);
    if (place === undefined || place === this.self) return false;
    return (await this.links.request(place, 'link.waiting', { tenant, deviceId })).isWaiting;
  }

  /** Lets the device in; false when it waits no more. */
  async letIn(tenant: TenantId, deviceId: DeviceId, event: EventOf<'link.approved'>): Promise<boolean> {
    if (this.tell(tenant, deviceId, event)) return true;
    const place = await this.places.find(tenant, deviceId);
    if (place === undefined || place === this.self) return false;
    return (await this.links.request(place, 'link.approved', { tenant, deviceId, event })).isTold;
  }

  private tell(tenant: TenantId, deviceId: DeviceId, event: EventOf<'link.approved'>): boolean {
    const found = this.devices.find(tenant, deviceId);
    found?.connection.send('link.approved', event);
    this.devices.remove(tenant, deviceId);
    return found !== undefined;
  }
}
