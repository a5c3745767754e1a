import type { DeviceId, EventOf, ServerEventName, TenantId, UserId } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';

/**
 * The devices whose home this supernode is, connected or resumable. Events to a device whose connection was lost are kept
 * for the resume window; a device that is neither connected nor resumable gets nothing.
 */
export interface LocalDevices {
  /** False when the device is neither connected nor resumable here. */
  notifyDevice<Name extends ServerEventName>(
    device: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): boolean;
  /** Not numbered and not kept. False when there is no connection. */
  notifyConnected<Name extends ServerEventName>(
    device: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): boolean;
  /** To all linked devices of a user, but not `except`; the number of devices that it reached. */
  notifyUser<Name extends ServerEventName>(
    tenant: TenantId,
    userId: UserId,
    event: Name,
    payload: EventOf<Name>,
    except?: DeviceId,
  ): number;
  /** Resolves when devices of the user that another supernode left behind are known here: nearly always at once. */
  settled(tenant: TenantId, userId: UserId): Promise<void>;
  /** Linked devices of a user that are connected, or may resume and then hear what they missed. */
  resumableDevices(tenant: TenantId, userId: UserId): readonly DeviceId[];
  /** Linked devices of a user with a live connection now. */
  connectedDevices(tenant: TenantId, userId: UserId): readonly DeviceId[];
}

export const LOCAL_DEVICES = Symbol('LocalDevices');
