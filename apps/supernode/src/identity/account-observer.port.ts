import type { DeviceId } from '@parley/protocol';
import type { UserAddress } from './connection-context.ts';

/** A committed change of a user's device list. */
export interface DeviceListChange extends UserAddress {
  readonly version: number;
  readonly added: readonly DeviceId[];
  readonly removed: readonly DeviceId[];
}

/** What a concern is told of accounts after the change was committed. */
export interface AccountObserver {
  deviceListChanged(change: DeviceListChange): Promise<void> | void;
}
