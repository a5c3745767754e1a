import type { NodeId, NodeRecord } from '../../node-record.ts';
import { EMPTY_ROSTER, type Roster } from '../../roster.ts';
import type { ElectionControls } from '../../roster-store.port.ts';

interface Expiring<T> {
  readonly value: T;
  readonly expiresAt: number;
}

interface LeaseState {
  leases: Map<NodeId, Expiring<NodeRecord>>;
  coordinator: Expiring<string> | undefined;
}

/** The lease store with what Redis may do: be away, come back empty, or come back with what it had a moment ago. */
export class SimulatedLeaseStore {
  isUp = true;
  private state: LeaseState = { leases: new Map(), coordinator: undefined };
  private history: { readonly at: number; readonly state: LeaseState }[] = [];

  renew(record: NodeRecord, ttlMs: number, now: number): boolean {
    const held = this.live(this.state.leases.get(record.nodeId), now);
    if (held !== undefined && held.incarnation > record.incarnation) return false;
    this.remember(now);
    this.state.leases.set(record.nodeId, { value: record, expiresAt: now + ttlMs });
    return true;
  }

  release(nodeId: NodeId, incarnation: number): void {
    if (this.state.leases.get(nodeId)?.value.incarnation === incarnation) this.state.leases.delete(nodeId);
  }

  list(now: number): NodeRecord[] {
    const records: NodeRecord[] = [];
    for (const { value, expiresAt } of this.state.leases.values()) if (expiresAt > now) records.push(value);
    return records;
  }

  hold(holder: string, ttlMs: number, now: number): boolean {
    const held = this.live(this.state.coordinator, now);
    if (held !== undefined && held !== holder) return false;
    this.remember(now);
    this.state.coordinator = { value: holder, expiresAt: now + ttlMs };
    return true;
  }

  releaseCoordination(holder: string): void {
    if (this.state.coordinator?.value === holder) this.state.coordinator = undefined;
  }

  empty(): void {
    this.state = { leases: new Map(), coordinator: undefined };
  }

  /** A replica takes over that lacks the writes of the last `ms`, acknowledged as they were. */
  loseLast(ms: number, now: number): void {
    const kept = this.history.findLast((entry) => entry.at <= now - ms);
    if (kept !== undefined) this.state = copy(kept.state);
  }

  private remember(now: number): void {
    this.history.push({ at: now, state: copy(this.state) });
    if (this.history.length > 100) this.history = this.history.slice(-50);
  }

  private live<T>(entry: Expiring<T> | undefined, now: number): T | undefined {
    return entry !== undefined && entry.expiresAt > now ? entry.value : undefined;
  }
}

function copy(state: LeaseState): LeaseState {
  return { leases: new Map(state.leases), coordinator: state.coordinator };
}

/** The database: it may be away, but what it has it keeps. */
export class SimulatedDatabase {
  isUp = true;
  roster: Roster = EMPTY_ROSTER;
  controls: ElectionControls = { isFrozen: false, pins: {} };
  private incarnations = 0;

  constructor(private readonly comparesEpochs: boolean) {}

  replace(roster: Roster, expectedEpoch: number): boolean {
    if (this.comparesEpochs && this.roster.epoch !== expectedEpoch) return false;
    this.roster = roster;
    return true;
  }

  nextIncarnation(): number {
    this.incarnations += 1;
    return this.incarnations;
  }
}
