import type { DeviceId, TenantId } from '@parley/protocol';
import type { NodeId } from '../cluster/node-record.ts';

/** At which supernode a device waits to be linked: shared live state. A device that waits has no user yet, and so no home. */
export interface WaitingPlaces {
  /** The device waits at this supernode, for `LIMITS.linkLifetimeMs` at most. */
  note(tenant: TenantId, deviceId: DeviceId): Promise<void>;
  find(tenant: TenantId, deviceId: DeviceId): Promise<NodeId | undefined>;
}

export const WAITING_PLACES = Symbol('WaitingPlaces');
