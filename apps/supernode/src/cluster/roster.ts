import { z } from 'zod';
import { SupernodeError } from '../errors.ts';
import type { NodeAddresses, NodeId } from './node-record.ts';
import { SLOT_COUNT, type Slot } from './slot.ts';

/** An active supernode in the roster. */
export interface Seat {
  readonly nodeId: NodeId;
  readonly incarnation: number;
  readonly region: string;
  readonly addresses: NodeAddresses;
  /** Share of the slots relative to the other seats; grows from 0.1 to 1 while a fresh supernode takes load. */
  readonly weight: number;
}

/**
 * Who is active and who owns which slot: one truth, a database row changed by compare-and-set of the epoch (DESIGN 5.5).
 * Whoever has seen an epoch refuses every lower one.
 */
export interface Roster {
  readonly epoch: number;
  readonly coordinator: NodeId;
  /** Milliseconds since the epoch, by the coordinator's clock; for people only. */
  readonly writtenAt: number;
  readonly seats: readonly Seat[];
  /** For each slot an index into `seats`; `SLOT_COUNT` entries, or none where there is no seat. */
  readonly owners: readonly number[];
  /** For each slot the epoch in which its owner became so: the fence of what is written for its users. */
  readonly slotEpochs: readonly number[];
}

export const EMPTY_ROSTER: Roster = {
  epoch: 0,
  coordinator: '',
  writtenAt: 0,
  seats: [],
  owners: [],
  slotEpochs: [],
};

/** Seats as they are stored and sent. */
export const seatsSchema = z.array(
  z.object({
    nodeId: z.string(),
    incarnation: z.int(),
    region: z.string(),
    addresses: z.object({ edge: z.string(), stun: z.string().nullable() }),
    weight: z.number(),
  }),
);

/** Whether every slot has an owner among the seats, or none has where there is no seat. */
export function isWholeRoster({ seats, owners, slotEpochs }: Roster): boolean {
  const count = seats.length === 0 ? 0 : SLOT_COUNT;
  const isCounted = owners.length === count && slotEpochs.length === count;
  return isCounted && owners.every((owner) => seats[owner] !== undefined);
}

/** The seat that owns a slot; undefined while nobody does. */
export function seatOf(roster: Roster, slot: Slot): Seat | undefined {
  const index = roster.owners[slot];
  return index === undefined ? undefined : roster.seats[index];
}

/** Every slot that this run of a supernode owns, with the epoch since when. */
export function slotsOf(roster: Roster, nodeId: NodeId, incarnation: number): ReadonlyMap<Slot, number> {
  const own = roster.seats.findIndex((seat) => seat.nodeId === nodeId && seat.incarnation === incarnation);
  const slots = new Map<Slot, number>();
  if (own === -1) return slots;
  for (let slot = 0; slot < roster.owners.length; slot += 1) {
    const epoch = roster.slotEpochs[slot];
    if (roster.owners[slot] === own && epoch !== undefined) slots.set(slot, epoch);
  }
  return slots;
}

/** Epochs only grow: who writes another one has a bug. */
export function requireHigherEpoch(roster: Roster, expectedEpoch: number): void {
  if (roster.epoch <= expectedEpoch)
    throw new SupernodeError('SN_INVARIANT', 'A roster is written with an epoch that is no higher.');
}
