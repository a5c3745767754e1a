import { describe, expect, it } from '@jest/globals';
import type { NodeView } from './core/cluster-io.ts';
import { MAX_OFFERED_RELAYS, offeredRelays } from './offered-relays.ts';
import { seenNode } from './testing/seen-node.ts';

const WISHES = { self: 'home', region: 'default', key: 'default u1' };

function offered(nodes: readonly NodeView[], wishes: Partial<typeof WISHES> = {}): string[] {
  return offeredRelays(nodes, { ...WISHES, ...wishes }).map(({ nodeId }) => nodeId);
}

/** As busy as that share of what it can do. */
function busy(nodeId: string, share: number, isRelayOnly = true): NodeView {
  const { load, capacity } = seenNode(nodeId).record;
  return seenNode(nodeId, {
    roles: isRelayOnly ? ['relay'] : ['index', 'relay'],
    load: { ...load, relayBytesPerSecond: share * capacity.relayBytesPerSecond },
  });
}

describe('offeredRelays', () => {
  it('never offers the own relay, nor more than the bound', () => {
    const nodes = ['home', 'a', 'b', 'c', 'd', 'e'].map((nodeId) => seenNode(nodeId));

    expect(offered(nodes)).toHaveLength(MAX_OFFERED_RELAYS);
    expect(offered(nodes)).not.toContain('home');
  });

  it.each([
    [
      'one that does not relay',
      seenNode('x', { roles: ['index'], addresses: { edge: 'http://x', stun: null } }),
    ],
    ['one without an address', seenNode('x', { addresses: { edge: 'http://x', stun: null } })],
    ['one that drains', seenNode('x', { state: 'draining' })],
    ['one that nobody reached yet', seenNode('x', {}, { reachability: 'unverified' })],
    ['one that others can not reach', seenNode('x', {}, { reachability: 'unreachable' })],
    ['one that may be down', seenNode('x', {}, { verdict: 'suspect' })],
    ['one that is down', seenNode('x', {}, { verdict: 'down' })],
  ])('does not offer %s', (_what, node) => {
    expect(offered([node, seenNode('y')])).toEqual(['y']);
  });

  it('prefers the own region, then who only relays', () => {
    const nodes = [
      seenNode('far-home', { region: 'elsewhere' }),
      seenNode('far-relay', { region: 'elsewhere', roles: ['relay'] }),
      seenNode('near-home'),
      seenNode('near-relay', { roles: ['relay'] }),
    ];

    expect(offered(nodes)).toEqual(['near-relay', 'near-home', 'far-relay']);
  });

  it('prefers who is less busy, and takes who is nearly full only where nobody else is left', () => {
    expect(offered([busy('a', 0.6), busy('b', 0.1)])).toEqual(['b', 'a']);
    expect(offered([busy('full', 0.9), busy('home-2', 0.6, false)])).toEqual(['home-2', 'full']);
  });

  it('changes nothing for the noise of the load', () => {
    for (let user = 0; user < 50; user += 1) {
      const key = `default u${user}`;
      expect(offered([busy('a', 0.2), busy('b', 0.3)], { key })).toEqual(
        offered([busy('a', 0.3), busy('b', 0.2)], { key }),
      );
    }
  });

  it('gives each user an order of its own, so that the load is spread, and always the same', () => {
    const nodes = ['a', 'b', 'c', 'd'].map((nodeId) => seenNode(nodeId, { roles: ['relay'] }));
    const firsts = new Map<string | undefined, number>();
    for (let user = 0; user < 1_000; user += 1) {
      const [first] = offered(nodes, { key: `default u${user}` });
      firsts.set(first, (firsts.get(first) ?? 0) + 1);
    }

    expect([...firsts.keys()].sort()).toEqual(['a', 'b', 'c', 'd']);
    for (const count of firsts.values()) expect(Math.abs(count - 250)).toBeLessThan(60);
    expect(offered(nodes)).toEqual(offered(nodes.toReversed()));
  });

  it('moves a lost relay’s users only', () => {
    const nodes = ['a', 'b', 'c', 'd'].map((nodeId) => seenNode(nodeId, { roles: ['relay'] }));
    for (let user = 0; user < 200; user += 1) {
      const key = `default u${user}`;
      const [first] = offered(nodes, { key });
      if (first !== 'd') expect(offered(nodes.slice(0, 3), { key })[0]).toBe(first);
    }
  });
});
