import type { TenantId, UserId } from '@parley/protocol';
import type { NodeId } from './node-record.ts';
import type { OwnAddresses } from './own-addresses.ts';
import type { Ownership, Tenure } from './ownership.port.ts';
import { slotOf, type Slot } from './slot.ts';

/** A supernode alone: it is everybody's home for as long as it runs, and every start outranks the ones before. */
export class SoleOwnership implements Ownership {
  readonly isHeldBack = false;

  /** @param epoch - grows with every start of this supernode */
  constructor(
    readonly self: NodeId,
    private readonly epoch: number,
    private readonly addresses: OwnAddresses,
  ) {}

  ownerOf(): NodeId {
    return this.self;
  }

  tenureOf(tenant: TenantId, userId: UserId): Tenure {
    return this.tenureOfSlot(slotOf(tenant, userId));
  }

  tenureOfSlot(slot: Slot): Tenure {
    return { slot, epoch: this.epoch };
  }

  homesOf(): readonly string[] {
    const { published } = this.addresses;
    return published === undefined ? [] : [published.edge];
  }

  otherRelaysOf(): readonly string[] {
    return [];
  }

  relayAddresses(): readonly string[] {
    return [];
  }

  activeNodes(): readonly NodeId[] {
    return [this.self];
  }

  activeEdges(): readonly string[] {
    return this.homesOf();
  }

  aliveNodes(): readonly NodeId[] {
    return [this.self];
  }

  onChange(): () => void {
    return () => undefined;
  }
}
