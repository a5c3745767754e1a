import type { AuditRecord } from '../admin/audit.ts';
import { EMPTY_ROSTER, requireHigherEpoch, type Roster } from './roster.ts';
import {
  KEPT_DECISIONS,
  NO_CONTROLS,
  type ElectionControls,
  type RecordedDecision,
  type RosterReading,
  type RosterStore,
} from './roster-store.port.ts';

/** For several supernodes of one process: tests and simulations. */
export class MemoryRosterStore implements RosterStore {
  readonly audited: AuditRecord[] = [];
  private roster = EMPTY_ROSTER;
  private history: RecordedDecision[] = [];
  private current = NO_CONTROLS;
  private incarnation = 0;

  read(): Promise<Roster> {
    return Promise.resolve(this.roster);
  }

  poll(knownEpoch: number): Promise<RosterReading> {
    const roster = this.roster.epoch === knownEpoch ? undefined : this.roster;
    return Promise.resolve({ roster, controls: this.current });
  }

  async replace(
    roster: Roster,
    expectedEpoch: number,
    decisions: readonly RecordedDecision[] = [],
  ): Promise<boolean> {
    await Promise.resolve();
    requireHigherEpoch(roster, expectedEpoch);
    if (this.roster.epoch !== expectedEpoch) return false;
    this.roster = roster;
    this.history = [...decisions.toReversed(), ...this.history].slice(0, KEPT_DECISIONS);
    return true;
  }

  decisions(limit: number): Promise<readonly RecordedDecision[]> {
    return Promise.resolve(this.history.slice(0, limit));
  }

  controls(): Promise<ElectionControls> {
    return Promise.resolve(this.current);
  }

  changeControls(
    change: (controls: ElectionControls) => ElectionControls,
    audit: AuditRecord,
  ): Promise<ElectionControls> {
    this.current = change(this.current);
    this.audited.push(audit);
    return Promise.resolve(this.current);
  }

  nextIncarnation(): Promise<number> {
    this.incarnation += 1;
    return Promise.resolve(this.incarnation);
  }
}
