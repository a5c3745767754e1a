import type { AuditRecord } from '../admin/audit.ts';
import type { Decision } from './core/decision.ts';
import type { NodeId } from './node-record.ts';
import type { Roster } from './roster.ts';

/** What operators decided (DESIGN 5.9); consistent, in the database. */
export interface ElectionControls {
  /** No promotion and no demotion; a lost seat is replaced all the same. */
  readonly isFrozen: boolean;
  readonly pins: Readonly<Record<NodeId, 'active' | 'standby'>>;
}

export const NO_CONTROLS: ElectionControls = { isFrozen: false, pins: {} };

/** A decision of a coordinator as it is kept, so that an operator can ask later why something became so. */
export interface RecordedDecision extends Decision {
  /** Milliseconds since the epoch, by the coordinator's clock. */
  readonly at: number;
}

/** What a supernode asks the database each second. */
export interface RosterReading {
  /** Undefined where the stored epoch is the one that the reader knows. */
  readonly roster: Roster | undefined;
  readonly controls: ElectionControls;
}

/** How many decisions are kept: a week of a lively cluster. */
export const KEPT_DECISIONS = 2_000;

/** The roster and the operators' decisions: rows of the database. Every method rejects while it is out of reach. */
export interface RosterStore {
  /** The empty roster of epoch 0 before the first. */
  read(): Promise<Roster>;
  /** The controls, and the roster where its epoch is another one than `knownEpoch`. */
  poll(knownEpoch: number): Promise<RosterReading>;
  /**
   * Writes `roster`, and what led to it, when the stored epoch is `expectedEpoch`; false, and nothing written, when it is
   * another one.
   */
  replace(roster: Roster, expectedEpoch: number, decisions?: readonly RecordedDecision[]): Promise<boolean>;
  /** The newest first. */
  decisions(limit: number): Promise<readonly RecordedDecision[]>;
  controls(): Promise<ElectionControls>;
  /** Changes the controls as they are now, whoever else changes them, and audits it with the change. */
  changeControls(
    change: (controls: ElectionControls) => ElectionControls,
    audit: AuditRecord,
  ): Promise<ElectionControls>;
  /** A number greater than every one before, for the incarnations of supernodes. */
  nextIncarnation(): Promise<number>;
}

export const ROSTER_STORE = Symbol('RosterStore');
