import type { AuditRecord } from '../admin/audit.ts';
import type { NodeId } from './node-record.ts';
import type { Roster } from './roster.ts';

/** What operators decided (DESIGN 5.9); consistent, in the database. */
export interface ElectionControls {
  /** No promotion and no demotion; a lost seat is replaced all the same. */
  readonly isFrozen: boolean;
  readonly pins: Readonly<Record<NodeId, 'active' | 'standby'>>;
}

export const NO_CONTROLS: ElectionControls = { isFrozen: false, pins: {} };

/** Why something became as it is: kept, so that an operator can ask later. */
export interface ElectionDecision {
  /** Milliseconds since the epoch, by the coordinator's clock. */
  readonly at: number;
  /** Roster epoch that it led to, or during which it was taken. */
  readonly epoch: number;
  readonly coordinator: NodeId;
  /** What was decided: `seat-gained`, `demotion-frozen` and so on. */
  readonly kind: string;
  /** Whom it is about; null where it is about the cluster. */
  readonly nodeId: NodeId | null;
  readonly reason: string;
  /** Figures that led to it, such as the terms of a score. */
  readonly detail: Readonly<Record<string, number | string | boolean | null>>;
}

/** How many decisions are kept: a week of a lively cluster. */
export const KEPT_DECISIONS = 2_000;

/** The roster and the operators' decisions: rows of the database. Every method rejects while it is out of reach. */
export interface RosterStore {
  /** The empty roster of epoch 0 before the first. */
  read(): Promise<Roster>;
  /** The roster, where its epoch is higher than `epoch`: what everybody asks each second. */
  readNewer(epoch: number): Promise<Roster | undefined>;
  /**
   * Writes `roster`, and what led to it, when the stored epoch is `expectedEpoch`; false, and nothing written, when it is
   * another one.
   */
  replace(roster: Roster, expectedEpoch: number, decisions?: readonly ElectionDecision[]): Promise<boolean>;
  /** Decisions that changed no roster. */
  record(decisions: readonly ElectionDecision[]): Promise<void>;
  /** The newest first. */
  decisions(limit: number): Promise<readonly ElectionDecision[]>;
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
