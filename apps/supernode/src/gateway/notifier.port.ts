import type { DeviceId, EventOf, ServerEventName, TenantId, UserId } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';

/**
 * How services reach devices without knowing socket.io, nor on which supernode a device is. Events to a device whose
 * connection was lost are kept for the resume window; a device that is neither connected nor resumable gets nothing.
 */
export interface Notifier {
  notifyDevice<Name extends ServerEventName>(
    device: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): void;
  /**
   * Only over the connection that the device has now: not numbered and not kept, for what the device can read again by
   * itself. False when it is known that there is none; of a device whose home is another supernode it is not.
   */
  notifyConnected<Name extends ServerEventName>(
    device: DeviceAddress,
    event: Name,
    payload: EventOf<Name>,
  ): boolean;
  /** To all linked devices of a user, but not `except`. */
  notifyUser<Name extends ServerEventName>(
    tenant: TenantId,
    userId: UserId,
    event: Name,
    payload: EventOf<Name>,
    except?: DeviceId,
  ): void;
  /** Linked devices of a user that are connected, or may resume and then hear what they missed. */
  resumableDevices(tenant: TenantId, userId: UserId): Promise<readonly DeviceId[]>;
  /** Linked devices of a user with a live connection now. */
  connectedDevices(tenant: TenantId, userId: UserId): Promise<readonly DeviceId[]>;
}

export const NOTIFIER = Symbol('Notifier');
