import { SupernodeError } from '../errors.ts';
import { isWholeRoster, type Roster } from './roster.ts';

/**
 * What a roster says of the slots, as a row holds it: 4,096 owners in two bytes each and as many epochs in four,
 * little-endian. As JSON they would be five times as long, and every supernode reads them after each change.
 */
export interface PackedSlots {
  readonly owners: Uint8Array<ArrayBuffer>;
  readonly slotEpochs: Uint8Array<ArrayBuffer>;
}

/** @throws SupernodeError SN_INVARIANT where not every slot, or none, has an owner */
export function packSlots(roster: Roster): PackedSlots {
  const { owners, slotEpochs } = roster;
  if (!isWholeRoster(roster))
    throw new SupernodeError('SN_INVARIANT', 'A roster does not say for each slot who owns it.');
  return {
    owners: new Uint8Array(Uint16Array.from(owners).buffer),
    slotEpochs: new Uint8Array(Uint32Array.from(slotEpochs).buffer),
  };
}

export function unpackSlots({
  owners,
  slotEpochs,
}: {
  readonly owners: Uint8Array;
  readonly slotEpochs: Uint8Array;
}): Pick<Roster, 'owners' | 'slotEpochs'> {
  return {
    owners: Array.from(new Uint16Array(aligned(owners))),
    slotEpochs: Array.from(new Uint32Array(aligned(slotEpochs))),
  };
}

/** What a driver gives may lie anywhere in a larger buffer. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
