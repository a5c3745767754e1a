/**
 * At which other supernodes a user is offered a relay, beside that of the home. Whoever only relays comes before homes, which have
 * other work to do; busy ones come last; and among equals each user has an order of its own, so that the load is spread.
 */
import type { NodeView } from './core/cluster-io.ts';
import type { NodeId } from './node-record.ts';
import { hash32 } from './slot.ts';

/** More would cost each relayed session allocations and checks, for ever less gain. */
export const MAX_OFFERED_RELAYS = 3;

/** Shares of the relay capacity from which on a relay counts as busier; coarse, so that noise changes nothing. */
const BUSY_SHARES = [0.5, 0.8] as const;

export interface OfferedRelay {
  readonly nodeId: NodeId;
  /** `address:port` of STUN and TURN. */
  readonly address: string;
}

export interface RelayWishes {
  /** Who offers: its own relay is offered anyway. */
  readonly self: NodeId;
  /** Relays there are preferred; undefined where that is not known. */
  readonly region: string | undefined;
  /** Names the user. */
  readonly key: string;
}

/** The best first; bounded. */
export function offeredRelays(nodes: readonly NodeView[], wishes: RelayWishes): readonly OfferedRelay[] {
  return nodes
    .filter((node) => node.record.nodeId !== wishes.self && isOffered(node))
    .map((node) => ({ node, ranks: ranksOf(node, wishes) }))
    .sort((a, b) => compare(a.ranks, b.ranks))
    .slice(0, MAX_OFFERED_RELAYS)
    .flatMap(({ node: { record } }) =>
      record.addresses.stun === null ? [] : [{ nodeId: record.nodeId, address: record.addresses.stun }],
    );
}

/** Others reached it from outside, it answers, and it takes new sessions. */
function isOffered({ record, reachability, verdict }: NodeView): boolean {
  return (
    record.roles.includes('relay') &&
    record.addresses.stun !== null &&
    record.state !== 'draining' &&
    reachability === 'verified' &&
    verdict === 'alive'
  );
}

/** Lower is better, the first difference decides. */
function ranksOf({ record }: NodeView, { region, key }: RelayWishes): readonly number[] {
  const load = loadClass(record.load.relayBytesPerSecond, record.capacity.relayBytesPerSecond);
  return [
    load === BUSY_SHARES.length ? 1 : 0,
    region === undefined || record.region === region ? 0 : 1,
    record.roles.includes('index') ? 1 : 0,
    load,
    hash32(`${key} ${record.nodeId}`),
  ];
}

function loadClass(bytesPerSecond: number, capacity: number): number {
  const share = capacity > 0 ? bytesPerSecond / capacity : 1;
  return BUSY_SHARES.filter((busy) => share >= busy).length;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [at, rank] of a.entries()) {
    const difference = rank - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
