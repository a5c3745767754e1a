import type { EventOf, ServerEventName } from '@parley/protocol';
import type { LocalDevices } from '../gateway/local-devices.port.ts';
import type { LinkTellOf } from './link-messages.ts';

/** An event for devices of one user, wherever they are. */
export type UserEvent = LinkTellOf<'user.event'>;

/** Gives an event to the devices here that it is meant for. */
export function deliverHere(
  local: LocalDevices,
  { tenant, userId, deviceId, except, ...what }: UserEvent,
): void {
  // The pair of name and payload was checked where the notifier was called; supernodes trust each other.
  const event = what.event as ServerEventName;
  const payload = what.payload as EventOf<ServerEventName>;
  if (what.connectedOnly) {
    const devices = deviceId === undefined ? local.connectedDevices(tenant, userId) : [deviceId];
    for (const device of devices)
      if (device !== except) local.notifyConnected({ tenant, userId, deviceId: device }, event, payload);
  } else if (deviceId !== undefined) local.notifyDevice({ tenant, userId, deviceId }, event, payload);
  else local.notifyUser(tenant, userId, event, payload, except);
}
