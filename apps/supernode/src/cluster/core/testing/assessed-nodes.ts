import type { Instant } from '@parley/nat';
import type { LoadVector, NodeId, NodeRecord } from '../../node-record.ts';
import type { Roster } from '../../roster.ts';
import type { ElectionControls } from '../../roster-store.port.ts';
import { assess, type Assessment, type ProbeOpinion } from '../assessment.ts';
import { DEFAULT_CLUSTER_SETTINGS, type ClusterSettings } from '../cluster-settings.ts';
import type { Member } from '../membership-view.ts';

export const IDLE_LOAD: LoadVector = {
  connections: 0.1,
  cpu: 0.1,
  memory: 0.3,
  eventLoopDelayMs: 2,
  relayBytesPerSecond: 0,
};

/** A supernode with a lease, that everybody named has reached. */
export function recordOf(nodeId: NodeId, others: Partial<NodeRecord> = {}): NodeRecord {
  return {
    nodeId,
    incarnation: 1,
    state: 'standby',
    region: 'main',
    version: '1.0.0',
    roles: ['index', 'relay'],
    addresses: { edge: `http://${nodeId}`, stun: null },
    capacity: { connections: 1000, relayBytesPerSecond: 1e8, eventLoopDelayMs: 200 },
    load: IDLE_LOAD,
    uptimeMs: 3_600_000,
    unreachable: [],
    reached: [],
    rosterEpoch: 0,
    databaseReachable: true,
    ...others,
  };
}

export function memberOf(record: NodeRecord, others: Partial<Member> = {}): Member {
  return { record, averageLoad: record.load, listedAt: 0 as Instant, absentSince: undefined, ...others };
}

/** Everybody reaches everybody else. */
export function mutuallyReached(records: readonly NodeRecord[]): NodeRecord[] {
  return records.map((record) => ({
    ...record,
    reached: records.filter((other) => other !== record).map((other) => other.nodeId),
  }));
}

export const NO_PROBES: ProbeOpinion = { isFailing: () => false, answers: () => false };
export const NO_CONTROLS: ElectionControls = { isFrozen: false, pins: {} };

export function assessed(
  members: readonly Member[],
  roster: Roster,
  others: {
    readonly probes?: ProbeOpinion;
    readonly controls?: ElectionControls;
    readonly settings?: ClusterSettings;
    readonly isUnsettled?: boolean;
    readonly accusedSince?: ReadonlyMap<NodeId, Instant>;
    readonly now?: number;
  } = {},
): Assessment {
  const now = (others.now ?? 0) as Instant;
  return assess({
    members,
    roster,
    controls: others.controls ?? NO_CONTROLS,
    probes: others.probes ?? NO_PROBES,
    isUnsettled: others.isUnsettled ?? false,
    databaseLostSince: new Map(),
    accusedSince: others.accusedSince ?? new Map<NodeId, Instant>(),
    settings: others.settings ?? DEFAULT_CLUSTER_SETTINGS,
    self: 'self',
    readAt: now,
    now,
  });
}
