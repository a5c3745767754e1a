import type { Presence, UserId } from '@parley/protocol';
import { coalesce, visibleTo } from './coalesce.ts';
import type { PresenceStamp } from './device-presences.ts';
import type { DevicePresence } from './presence-store.port.ts';

/** Everything that a view of one user is made from. */
export interface PresenceFacts {
  readonly userId: UserId;
  readonly devices: readonly DevicePresence[];
  readonly lastSeen: number | null;
}

/** What the user's own devices see: each device, and `invisible` as it is. */
export function ownView(facts: PresenceFacts, { version, asOf }: PresenceStamp): Presence {
  return {
    userId: facts.userId,
    ...coalesce(facts.devices),
    lastSeen: facts.lastSeen,
    devices: facts.devices.map(({ device, present, state, asOf: since }) => ({
      deviceId: device.deviceId,
      state: present ? state : 'offline',
      asOf: since,
    })),
    version: { ...version },
    asOf,
  };
}

/** What an entitled watcher sees. */
export function watcherView(facts: PresenceFacts, { version, asOf }: PresenceStamp): Presence {
  const seen = visibleTo(coalesce(facts.devices));
  const lastSeen = seen.state === 'offline' ? facts.lastSeen : null;
  return { userId: facts.userId, ...seen, lastSeen, devices: [], version: { ...version }, asOf };
}

/** What everybody else sees, alike for absent, blocked, invisible and offline users. */
export function strangerView(userId: UserId, { version, asOf }: PresenceStamp): Presence {
  return {
    userId,
    state: 'offline',
    statusText: null,
    lastSeen: null,
    devices: [],
    version: { ...version },
    asOf,
  };
}
