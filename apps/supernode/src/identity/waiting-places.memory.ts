import type { NodeId } from '../cluster/node-record.ts';
import type { WaitingPlaces } from './waiting-places.port.ts';

/** Whoever waits at a supernode that is alone waits there. */
export class SoleWaitingPlaces implements WaitingPlaces {
  constructor(private readonly self: NodeId) {}

  note(): Promise<void> {
    return Promise.resolve();
  }

  find(): Promise<NodeId> {
    return Promise.resolve(this.self);
  }
}
