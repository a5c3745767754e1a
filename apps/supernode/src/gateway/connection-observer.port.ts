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
  /**
   * The home of the device is another supernode from now on, which has its state: what is kept of it here goes, and nobody is
   * told that the device is gone. It may come back, as `signed-in` or `resumed`, when its slot does.
   */
  deviceMoved?(device: DeviceAddress): Promise<void> | void;
  /** Signed off, removed or not resumed in time. */
  deviceGone(device: DeviceAddress, cause: 'signed-off' | 'expired' | 'revoked'): Promise<void> | void;
}

/** An array of observers; the gateway calls each in turn. */
export const CONNECTION_OBSERVERS = Symbol('ConnectionObservers');
