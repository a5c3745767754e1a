import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { DeviceId, EventOf, ServerEventName, TenantId, UserId } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { NodeId } from '../cluster/node-record.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { LOCAL_DEVICES, type LocalDevices } from '../gateway/local-devices.port.ts';
import type { Notifier } from '../gateway/notifier.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { Metrics } from '../observability/metrics.ts';
import { PRESENCE_STORE, type DevicePresence, type PresenceStore } from '../presence/presence-store.port.ts';
import { LINKS, type LinkLoss, type Links } from './links.port.ts';
import { deliverHere, type UserEvent } from './user-event.ts';

/** How long an event looks for the home of its user: longer than it takes to notice a lost home and to name another. */
const SEEK_MS = 15_000;
const SEEK_AGAIN_MS = 250;
/** Events that wait for a home. */
const MAX_SEEKING = 10_000;

/**
 * Brings events to the home of their user: this supernode, or over a link the one that is. An event whose home is lost on the
 * way follows the user to the next one; where the lost one may have had it, the device may get it twice.
 */
@Injectable()
export class ClusterNotifier implements Notifier, OnModuleInit {
  private seeking = 0;

  constructor(
    @Inject(LOCAL_DEVICES) private readonly local: LocalDevices,
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'self' | 'ownerOf'>,
    @Inject(LINKS) private readonly links: Pick<Links, 'tell' | 'onTell'>,
    @Inject(PRESENCE_STORE) private readonly presence: Pick<PresenceStore, 'devicesOf'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly metrics: Metrics,
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
    if (this.isHere(tenant, userId)) return this.local.notifyConnected(device, event, payload);
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
    if (this.isHere(tenant, userId)) return this.local.resumableDevices(tenant, userId);
    const now = this.clock.now();
    return this.stored(tenant, userId, (device) => device.reachable || (device.resumableUntil ?? 0) > now);
  }

  async connectedDevices(tenant: TenantId, userId: UserId): Promise<readonly DeviceId[]> {
    if (this.isHere(tenant, userId)) return this.local.connectedDevices(tenant, userId);
    return this.stored(tenant, userId, ({ reachable }) => reachable);
  }

  private isHere(tenant: TenantId, userId: UserId): boolean {
    return this.ownership.ownerOf(tenant, userId) === this.ownership.self;
  }

  private async stored(
    tenant: TenantId,
    userId: UserId,
    fits: (device: DevicePresence) => boolean,
  ): Promise<DeviceId[]> {
    const devices = await this.presence.devicesOf(tenant, userId);
    return devices.filter(fits).map(({ device }) => device.deviceId);
  }

  private receive(event: UserEvent): void {
    // The sender's roster is older than this one's, or newer: whoever it is now gets it, but no event goes in circles.
    if (event.isForwarded || this.isHere(event.tenant, event.userId)) deliverHere(this.local, event);
    else this.bring({ ...event, isForwarded: true });
  }

  private bring(event: UserEvent, since = this.clock.monotonic()): void {
    const owner = this.ownership.ownerOf(event.tenant, event.userId);
    if (owner === this.ownership.self) deliverHere(this.local, event);
    else if (owner === undefined) this.seek(event, since);
    else this.send(owner, event, since);
  }

  private send(owner: NodeId, event: UserEvent, since: number): void {
    this.links.tell(owner, 'user.event', event, {
      onLost: (loss) => {
        if (this.mayFollow(owner, event, loss)) this.seek(event, since);
        else this.metrics.drop('notifier', `link-${loss}`);
      },
    });
  }

  /** Whether an event that was lost on its way may still arrive somewhere. */
  private mayFollow(
    lostOwner: NodeId,
    { tenant, userId, connectedOnly }: UserEvent,
    loss: LinkLoss,
  ): boolean {
    if (connectedOnly || loss === 'overloaded') return false;
    return loss !== 'expired' || this.ownership.ownerOf(tenant, userId) !== lostOwner;
  }

  /** Looks for a home a little later. */
  private seek(event: UserEvent, since: number): void {
    if (event.connectedOnly) {
      this.metrics.drop('notifier', 'no-home');
      return;
    }
    if (this.seeking >= MAX_SEEKING || this.clock.monotonic() - since > SEEK_MS) {
      this.metrics.drop('notifier', this.seeking >= MAX_SEEKING ? 'seeking-full' : 'no-home');
      return;
    }
    this.seeking += 1;
    this.scheduler.after(SEEK_AGAIN_MS, () => {
      this.seeking -= 1;
      this.bring(event, since);
    });
  }
}
