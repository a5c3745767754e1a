import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { DeviceId, EventOf, ServerEventName, TenantId, UserId } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { LOCAL_DEVICES, type LocalDevices } from '../gateway/local-devices.port.ts';
import type { Notifier } from '../gateway/notifier.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { PRESENCE_STORE, type DevicePresence, type PresenceStore } from '../presence/presence-store.port.ts';
import { HomeLinks, type HomeTell } from './home-links.ts';
import { LINKS, type Links } from './links.port.ts';
import { deliverHere, type UserEvent } from './user-event.ts';

/** What concerns a call or an offer is of no use much later; what else devices are told they would miss for good. */
const SESSION_WORTH_MS = 15_000;
const NEWS_WORTH_MS = 300_000;
/** While rosters differ an event may go to and fro; they agree again long before it was passed on that often. */
const MAX_HOPS = 16;

/** Brings events to the home of their user, and knows of devices elsewhere what is stored of them. */
@Injectable()
export class ClusterNotifier implements Notifier, OnModuleInit {
  constructor(
    @Inject(LOCAL_DEVICES) private readonly local: LocalDevices,
    private readonly homes: HomeLinks,
    @Inject(LINKS) private readonly links: Pick<Links, 'onTell'>,
    @Inject(PRESENCE_STORE) private readonly presence: Pick<PresenceStore, 'devicesOf'>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.links.onTell('user.event', (event) => this.receive(event));
  }

  notifyDevice<Name extends ServerEventName>(
    { tenant, userId, deviceId }: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): void {
    this.bring({ tenant, userId, deviceId, event, payload });
  }

  notifyConnected<Name extends ServerEventName>(
    device: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): boolean {
    const { tenant, userId, deviceId } = device;
    if (this.homes.isHere(tenant, userId)) return this.local.notifyConnected(device, event, payload);
    this.bring({ tenant, userId, deviceId, event, payload, connectedOnly: true });
    return true;
  }

  notifyUser<Name extends ServerEventName>(
    tenant: TenantId,
    userId: UserId,
    event: Name,
    payload: EventOf<Name>,
    except?: DeviceId,
  ): void {
    this.bring({ tenant, userId, event, payload, ...(except !== undefined && { except }) });
  }

  async resumableDevices(tenant: TenantId, userId: UserId): Promise<readonly DeviceId[]> {
    if (this.homes.isHere(tenant, userId)) {
      await this.local.settled(tenant, userId);
      return this.local.resumableDevices(tenant, userId);
    }
    const now = this.clock.now();
    return this.stored(tenant, userId, (device) => device.reachable || (device.resumableUntil ?? 0) > now);
  }

  async connectedDevices(tenant: TenantId, userId: UserId): Promise<readonly DeviceId[]> {
    if (this.homes.isHere(tenant, userId)) return this.local.connectedDevices(tenant, userId);
    return this.stored(tenant, userId, ({ reachable }) => reachable);
  }

  private async stored(
    tenant: TenantId,
    userId: UserId,
    fits: (device: DevicePresence) => boolean,
  ): Promise<DeviceId[]> {
    const devices = await this.presence.devicesOf(tenant, userId);
    return devices.filter(fits).map(({ device }) => device.deviceId);
  }

  /** The sender's roster is older than this one's, or newer: whoever is the home gets it, and no event goes in circles for long. */
  private receive(event: UserEvent): void {
    const { tenant, userId, hops = 0 } = event;
    if (this.homes.isHere(tenant, userId)) deliverHere(this.local, event);
    else if (hops >= MAX_HOPS) this.homes.giveUp('too-many-hops');
    else if (hops === 0) this.homes.tell(this.tellOf({ ...event, hops: 1 }));
    else this.homes.tellLater(this.tellOf({ ...event, hops: hops + 1 }));
  }

  private bring(event: UserEvent): void {
    this.homes.tell(this.tellOf(event));
  }

  private tellOf(event: UserEvent): HomeTell<'user.event'> {
    return {
      tenant: event.tenant,
      userId: event.userId,
      name: 'user.event',
      payload: event,
      here: () => deliverHere(this.local, event),
      worthMs: event.event.startsWith('session.') ? SESSION_WORTH_MS : NEWS_WORTH_MS,
    };
  }
}
