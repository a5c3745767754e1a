import type { NodeView } from '../core/cluster-io.ts';
import type { NodeRecord } from '../node-record.ts';

/** A supernode that others verified, without load; with whatever a test is about. */
export function seenNode(
  nodeId: string,
  record: Partial<NodeRecord> = {},
  view: Partial<Omit<NodeView, 'record'>> = {},
): NodeView {
  return {
    record: {
      nodeId,
      incarnation: 1,
      state: 'active',
      region: 'default',
      version: '1.0.0',
      roles: ['index', 'relay'],
      addresses: { edge: `http://${nodeId}:8080`, stun: `${nodeId}:3478` },
      capacity: { connections: 1_000, relayBytesPerSecond: 1_000_000, eventLoopDelayMs: 100 },
      load: { connections: 0, cpu: 0, memory: 0, eventLoopDelayMs: 0, relayBytesPerSecond: 0 },
      uptimeMs: 60_000,
      unreachable: [],
      reached: [],
      rosterEpoch: 1,
      databaseReachable: true,
      ...record,
    },
    reachability: 'verified',
    verdict: 'alive',
    objections: [],
    score: 1,
    terms: {},
    hasSeat: false,
    ...view,
  };
}
