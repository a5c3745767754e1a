import type { DeviceAddress } from '../identity/caller.ts';

/** What the rendezvous knows of the registered flows of devices (DESIGN 6.3), and the relays between them. */
export interface PeerFlows {
  /** IP addresses at which the device is now, by its own proof; none where it has no flow or is silent. */
  observedAddresses(device: DeviceAddress): readonly string[];
  /**
   * The id of a relay that may be opened between the two within `forMs`; undefined where one is not registered or has too many.
   * There is room kept for it until it is opened or closed.
   */
  mintRelay(caller: DeviceAddress, callee: DeviceAddress, forMs: number): string | undefined;
  openRelay(id: string, caller: DeviceAddress, callee: DeviceAddress): void;
  /** What is on its way, as the farewell of a session, still arrives. One that was minted only is given up. */
  closeRelay(id: string): void;
  /** At once, all relays between any devices of the two users. */
  closeRelaysBetween(tenant: DeviceAddress['tenant'], users: readonly [string, string]): void;
}

export const PEER_FLOWS = Symbol('PeerFlows');
