import type { NodeAddresses } from './node-record.ts';

/** How others reach this supernode, as it says so itself; known from when its listeners are bound, and where it can be said. */
export class OwnAddresses {
  private current: NodeAddresses | undefined;

  get published(): NodeAddresses | undefined {
    return this.current;
  }

  publish(addresses: NodeAddresses): void {
    this.current = addresses;
  }
}
