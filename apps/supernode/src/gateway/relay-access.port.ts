import type { FlowCredentials, RelayCredentials } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';

/** When a device is told of its flow: it is there already when it asks by `request`. */
export type FlowOccasion = 'sign-in' | 'resume' | 'request';

/** What the gateway tells devices of STUN and TURN, and what a removed device loses. */
export interface RelayAccess {
  /** `host:port` that answer STUN over UDP: this supernode, or others where it does not relay. */
  stunServers(device: DeviceAddress): readonly string[];
  /** Where to relay and with what: here and elsewhere, where this credential is good too. Undefined where no supernode relays. */
  issue(device: DeviceAddress): Promise<RelayCredentials | undefined>;
  /**
   * A registered flow, a fresh one at a sign-in and else the one that the device has, if any. Undefined where this supernode
   * does not relay.
   */
  openFlow(device: DeviceAddress, occasion: FlowOccasion): FlowCredentials | undefined;
  /** Whether anything is relayed, or could be, over what was given to somebody. */
  isRelaying(): Promise<boolean>;
  revoke(device: DeviceAddress): Promise<void>;
}

export const RELAY_ACCESS = Symbol('RelayAccess');
