import type { NodeId } from './node-record.ts';
import type { Roster } from './roster.ts';

/** What operators decided (DESIGN 5.9); consistent, in the database. */
export interface ElectionControls {
  /** No promotion and no demotion; a lost seat is replaced all the same. */
  readonly isFrozen: boolean;
  readonly pins: Readonly<Record<NodeId, 'active' | 'standby'>>;
}

/** The roster and the operators' decisions: rows of the database. Every method rejects while it is out of reach. */
export interface RosterStore {
  /** The empty roster of epoch 0 before the first. */
  read(): Promise<Roster>;
  /** Writes `roster` when the stored epoch is `expectedEpoch`; false, and nothing written, when it is another one. */
  replace(roster: Roster, expectedEpoch: number): Promise<boolean>;
  controls(): Promise<ElectionControls>;
  saveControls(controls: ElectionControls): Promise<void>;
  /** A number greater than every one before, for the incarnations of supernodes. */
  nextIncarnation(): Promise<number>;
}

export const ROSTER_STORE = Symbol('RosterStore');
