import type { SeededRandom } from '@parley/nat/testing';
import type { NodeId, NodeRecord } from '../../node-record.ts';

/** What a supernode of a simulation is, in all its runs. */
export interface CastMember extends Pick<NodeRecord, 'region' | 'roles' | 'addresses'> {
  /** Nobody reaches its relay from the beginning on. */
  readonly isDeafAtFirst: boolean;
}

/** Two regions, relays whose address is probed, one that is not reached, and one that only relays: each in some of the histories. */
export function drawCast(random: SeededRandom, ids: readonly NodeId[]): ReadonlyMap<NodeId, CastMember> {
  const regions = random.nextFraction() < 0.3 ? ['north', 'south'] : ['main'];
  const onlyRelays = ids.length > 3 && random.nextFraction() < 0.3 ? ids.at(-1) : undefined;
  const deaf = random.nextFraction() < 0.4 ? ids[random.nextInteger(0, ids.length - 1)] : undefined;
  return new Map(
    ids.map((nodeId, index) => {
      const isProbed = nodeId === deaf || random.nextFraction() < 0.7;
      return [
        nodeId,
        {
          region: regions[index % regions.length] ?? '',
          roles: nodeId === onlyRelays ? ['relay'] : ['index', 'relay'],
          addresses: { edge: `http://${nodeId}`, stun: isProbed ? `${nodeId}:3478` : null },
          isDeafAtFirst: nodeId === deaf,
        },
      ];
    }),
  );
}

/** All alike, in one region. */
export function uniformCast(ids: readonly NodeId[]): ReadonlyMap<NodeId, CastMember> {
  return new Map(
    ids.map((nodeId) => [
      nodeId,
      {
        region: 'main',
        roles: ['index', 'relay'],
        addresses: { edge: `http://${nodeId}`, stun: null },
        isDeafAtFirst: false,
      },
    ]),
  );
}
