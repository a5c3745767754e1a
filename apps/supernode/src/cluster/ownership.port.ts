import type { TenantId, UserId } from '@parley/protocol';
import type { NodeId } from './node-record.ts';
import type { Slot } from './slot.ts';

/** The right to act for the users of a slot. Every write to shared live state carries it, and the store refuses a lower epoch. */
export interface Tenure {
  readonly slot: Slot;
  readonly epoch: number;
}

/**
 * Slots that this supernode began or ceased to own. One that went to another supernode and came back between two rosters is in
 * both: it is lost first, then gained.
 */
export interface OwnershipChange {
  readonly gained: ReadonlySet<Slot>;
  readonly lost: ReadonlySet<Slot>;
}

/**
 * Which supernode is the home of whom, by the newest roster that this one follows. Alone, a supernode owns every slot for as
 * long as it runs.
 */
export interface Ownership {
  readonly self: NodeId;
  /** This supernode takes its share of users step by step, or has no seat: others are there that have clients already. */
  readonly isHeldBack: boolean;
  /** Home of the user; undefined while its slot has no owner. */
  ownerOf(tenant: TenantId, userId: UserId): NodeId | undefined;
  /** Undefined when this supernode is not, or may not act any more as, the user's home. */
  tenureOf(tenant: TenantId, userId: UserId): Tenure | undefined;
  tenureOfSlot(slot: Slot): Tenure | undefined;
  /** Edge URLs in the order in which clients of this user should try them: the home, then those that would follow it; at most three. */
  homesOf(tenant: TenantId, userId: UserId): readonly string[];
  /** `address:port` of STUN and TURN at other supernodes that the user is offered, with a seat or without; the best first, bounded. */
  otherRelaysOf(tenant: TenantId, userId: UserId): readonly string[];
  /** `address:port` of STUN and TURN at every supernode that has a lease and relays. */
  relayAddresses(): readonly string[];
  /** All supernodes with a seat, this one included. */
  activeNodes(): readonly NodeId[];
  /** Edge URLs of all supernodes with a seat, this one included. */
  activeEdges(): readonly string[];
  /** Those with a seat and all others that have a lease, on standby or draining too: something of a former home may be at each. */
  aliveNodes(): readonly NodeId[];
  /** The returned function ends it. Listeners are called in turn after the change took effect. */
  onChange(listener: (change: OwnershipChange) => void): () => void;
}

export const OWNERSHIP = Symbol('Ownership');
