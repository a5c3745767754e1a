import type { NatReport } from '../remote-network.ts';

/**
 * What one side does beyond simple simultaneous opening, from what both sides know of their NATs:
 *
 * - `ordinary`: nothing; also where something is unknown.
 * - `predict`: our mapping is stable, the peer's next one is predictable: checks to the ports that it may have.
 * - `be-predicted`: the other way round: the exact port of our mapping is found out and told.
 * - `spray`: both mappings are predictable, but every check makes a new one: both walk through the ports.
 * - `guess`: our mapping is stable, the peer's are random and many: checks to random ports.
 * - `be-guessed`: the other way round: many sockets, each opens a mapping for the peer.
 * - `hopeless`: two moving mappings of which one is random: no port is worth a check.
 */
export type TraversalPlan =
  'ordinary' | 'predict' | 'be-predicted' | 'spray' | 'guess' | 'be-guessed' | 'hopeless';

type MappingSort = 'stable' | 'sequential' | 'random' | 'unknown';

const PLANS: Readonly<
  Record<Exclude<MappingSort, 'unknown'>, Readonly<Record<Exclude<MappingSort, 'unknown'>, TraversalPlan>>>
> = {
  stable: { stable: 'ordinary', sequential: 'predict', random: 'guess' },
  sequential: { stable: 'be-predicted', sequential: 'spray', random: 'hopeless' },
  random: { stable: 'be-guessed', sequential: 'hopeless', random: 'hopeless' },
};

export function planTraversal(local: NatReport | undefined, remote: NatReport | undefined): TraversalPlan {
  if (local === undefined || remote === undefined) return 'ordinary';
  const ours = sortOf(local);
  const theirs = sortOf(remote);
  if (ours === 'unknown' || theirs === 'unknown') return 'ordinary';
  const plan = PLANS[ours][theirs];
  // A stable side that lets other ports of a known address in is reached by an ordinary check.
  const stable = ours === 'stable' ? local : theirs === 'stable' ? remote : undefined;
  if (stable !== undefined && admitsOtherPorts(stable)) return 'ordinary';
  // Two filters that let other ports in make a path of two moving mappings; unknown ones get the benefit of the doubt.
  const isClosed =
    local.filtering === 'address-and-port-dependent' || remote.filtering === 'address-and-port-dependent';
  return plan === 'hopeless' && !isClosed ? 'ordinary' : plan;
}

/** Whether a report says enough to plan by. */
export function isConclusive(nat: NatReport | undefined): boolean {
  return nat !== undefined && sortOf(nat) !== 'unknown';
}

function sortOf({ mapping, portAllocation, portStep, latestPort, dependsOnPort }: NatReport): MappingSort {
  if (mapping === 'none' || mapping === 'endpoint-independent') return 'stable';
  // From one server the dependence on addresses is unknown; a mapping that ignores ports nearly always ignores them too.
  if (mapping === 'unknown') return dependsOnPort === false ? 'stable' : 'unknown';
  if (portAllocation === 'random') return 'random';
  const isPredictable = portAllocation === 'sequential' && portStep !== undefined && latestPort !== undefined;
  return isPredictable ? 'sequential' : 'unknown';
}

function admitsOtherPorts({ filtering }: NatReport): boolean {
  return filtering === 'none' || filtering === 'endpoint-independent' || filtering === 'address-dependent';
}
