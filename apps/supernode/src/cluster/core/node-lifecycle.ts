import type { NodeState } from '../node-record.ts';

/** What changes where a supernode stands. `seated` and `unseated`: by the roster that it follows. */
export type LifecycleCause = 'vouched-for' | 'vouchers-lost' | 'seated' | 'unseated' | 'drain';

/** DESIGN section 1: a candidate, on standby, active, draining. Down is who has no lease. */
export const LIFECYCLE = {
  joining: { 'vouched-for': 'standby', seated: 'active', drain: 'draining' },
  standby: { 'vouchers-lost': 'joining', seated: 'active', drain: 'draining' },
  active: { unseated: 'standby', drain: 'draining' },
  draining: {},
} as const satisfies Record<NodeState, Partial<Record<LifecycleCause, NodeState>>>;

/** Undefined when `cause` changes nothing now. */
export function lifecycleTransition(from: NodeState, cause: LifecycleCause): NodeState | undefined {
  const exits: Partial<Record<LifecycleCause, NodeState>> = LIFECYCLE[from];
  return exits[cause];
}
