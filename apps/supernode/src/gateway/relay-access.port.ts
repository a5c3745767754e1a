import type { FlowCredentials, RelayCredentials } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';

/** What the gateway tells devices of STUN and TURN, and what a removed device loses. */
export interface RelayAccess {
  /** `host:port` that answer STUN over UDP. */
  stunServers(): readonly string[];
  /** Undefined where this supernode does not relay. */
  issue(device: DeviceAddress): Promise<RelayCredentials | undefined>;
  /** A registered flow, or with `isResumed` the one that the device has; undefined where this supernode does not relay. */
  openFlow(device: DeviceAddress, isResumed: boolean): FlowCredentials | undefined;
  revoke(device: DeviceAddress): Promise<void>;
}

export const RELAY_ACCESS = Symbol('RelayAccess');
