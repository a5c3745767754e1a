import type { DeviceAddress } from '../identity/caller.ts';

/**
 * What a concern is told of connections. *Reachable* (connected) and *resumable* (may come back without loss) are two
 * facts: `deviceUnreachable` says the first ended, `deviceGone` that both did.
 */
export interface ConnectionObserver {
  /** A linked device signed in or came back. */
  deviceReachable?(device: DeviceAddress, how: 'signed-in' | 'resumed'): Promise<void> | void;
  /** The connection was lost; the device may resume within the window. */
  deviceUnreachable?(device: DeviceAddress): Promise<void> | void;
  /** Signed off, removed or not resumed in time. */
  deviceGone(device: DeviceAddress, cause: 'signed-off' | 'expired' | 'revoked'): Promise<void> | void;
}

/** An array of observers; the gateway calls each in turn. */
export const CONNECTION_OBSERVERS = Symbol('ConnectionObservers');
