import type { DeviceId, EventOf, ServerEventName, TenantId, UserId } from '@parley/protocol';
import type { DeviceAddress } from '../../identity/caller.ts';
import type { LocalDevices } from '../local-devices.port.ts';
import type { Notifier } from '../notifier.port.ts';

export interface RecordedEvent {
  readonly device: DeviceAddress;
  readonly event: ServerEventName;
  readonly payload: unknown;
}

/** The devices of one supernode, and what they were told; only those marked as connected are reached. */
export class RecordingDevices implements LocalDevices {
  readonly events: RecordedEvent[] = [];
  private connected: DeviceAddress[] = [];
  private resumable: DeviceAddress[] = [];

  connect(device: DeviceAddress): void {
    this.connected.push(device);
  }

  /** The connection is gone; the device may resume. */
  disconnect(device: DeviceAddress): void {
    this.resumable.push(device);
    this.connected = this.connected.filter(({ deviceId }) => deviceId !== device.deviceId);
  }

  /** The device is gone for good. */
  forget(device: DeviceAddress): void {
    this.disconnect(device);
    this.resumable = this.resumable.filter(({ deviceId }) => deviceId !== device.deviceId);
  }

  /** Takes out what a device was told, oldest first. */
  take<Name extends ServerEventName>(device: DeviceAddress, event: Name): EventOf<Name>[] {
    const isIt = (entry: RecordedEvent): boolean =>
      entry.device.deviceId === device.deviceId && entry.event === event;
    const taken = this.events.filter(isIt);
    this.events.splice(0, this.events.length, ...this.events.filter((entry) => !isIt(entry)));
    return taken.map((entry) => entry.payload as EventOf<Name>);
  }

  notifyDevice<Name extends ServerEventName>(
    device: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): boolean {
    this.events.push({ device, event, payload });
    return this.connected.some(({ deviceId }) => deviceId === device.deviceId);
  }

  notifyConnected<Name extends ServerEventName>(
    device: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): boolean {
    const isConnected = this.connected.some(({ deviceId }) => deviceId === device.deviceId);
    if (isConnected) this.events.push({ device, event, payload });
    return isConnected;
  }

  notifyUser<Name extends ServerEventName>(
    tenant: TenantId,
    userId: UserId,
    event: Name,
    payload: EventOf<Name>,
    except?: DeviceId,
  ): number {
    const devices = this.connectedDevices(tenant, userId).filter((deviceId) => deviceId !== except);
    for (const deviceId of devices) this.notifyDevice({ tenant, userId, deviceId }, event, payload);
    return devices.length;
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  resumableDevices(tenant: TenantId, userId: UserId): readonly DeviceId[] {
    const ofUser = [...this.connected, ...this.resumable].filter(
      (device) => device.tenant === tenant && device.userId === userId,
    );
    return ofUser.map(({ deviceId }) => deviceId);
  }

  connectedDevices(tenant: TenantId, userId: UserId): readonly DeviceId[] {
    return this.connected
      .filter((device) => device.tenant === tenant && device.userId === userId)
      .map((d) => d.deviceId);
  }
}

/** Tells devices of this supernode what services say, as if all devices were here. */
function locally(local: RecordingDevices): Notifier {
  return {
    notifyDevice: (...told) => void local.notifyDevice(...told),
    notifyConnected: (...told) => local.notifyConnected(...told),
    notifyUser: (...told) => void local.notifyUser(...told),
    resumableDevices: (...user) => Promise.resolve(local.resumableDevices(...user)),
    connectedDevices: (...user) => Promise.resolve(local.connectedDevices(...user)),
  };
}

/** Keeps what services tell devices; by default all of them are here. */
export class RecordingNotifier implements Notifier {
  readonly local = new RecordingDevices();
  private readonly route: Notifier;

  constructor(route: (local: RecordingDevices) => Notifier = locally) {
    this.route = route(this.local);
  }

  get events(): RecordedEvent[] {
    return this.local.events;
  }

  connect(device: DeviceAddress): void {
    this.local.connect(device);
  }

  disconnect(device: DeviceAddress): void {
    this.local.disconnect(device);
  }

  forget(device: DeviceAddress): void {
    this.local.forget(device);
  }

  take<Name extends ServerEventName>(device: DeviceAddress, event: Name): EventOf<Name>[] {
    return this.local.take(device, event);
  }

  notifyDevice<Name extends ServerEventName>(
    device: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): void {
    this.route.notifyDevice(device, event, payload);
  }

  notifyConnected<Name extends ServerEventName>(
    device: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): boolean {
    return this.route.notifyConnected(device, event, payload);
  }

  notifyUser<Name extends ServerEventName>(
    tenant: TenantId,
    userId: UserId,
    event: Name,
    payload: EventOf<Name>,
    except?: DeviceId,
  ): void {
    this.route.notifyUser(tenant, userId, event, payload, except);
  }

  resumableDevices(tenant: TenantId, userId: UserId): Promise<readonly DeviceId[]> {
    return this.route.resumableDevices(tenant, userId);
  }

  connectedDevices(tenant: TenantId, userId: UserId): Promise<readonly DeviceId[]> {
    return this.route.connectedDevices(tenant, userId);
  }
}
