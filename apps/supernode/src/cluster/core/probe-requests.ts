import type { Instant } from '@parley/nat';
import type { ClusterOutput } from './cluster-io.ts';
import type { MembershipView } from './membership-view.ts';
import type { PeerProbes } from './peer-probes.ts';

/** The probes whose turn it is, each to where its supernode says it can be reached. */
export function dueProbes(
  probes: PeerProbes,
  view: MembershipView,
  timeoutMs: number,
  now: Instant,
): readonly ClusterOutput[] {
  const due = probes.takeDue(now);
  if (due.length === 0) return NONE_DUE;
  return due.flatMap((nodeId): ClusterOutput[] => {
    const addresses = view.get(nodeId)?.record.addresses;
    return addresses === undefined ? [] : [{ kind: 'probe', sentAt: now, nodeId, addresses, timeoutMs }];
  });
}

const NONE_DUE: readonly ClusterOutput[] = [];
