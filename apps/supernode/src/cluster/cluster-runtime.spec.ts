import { describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { ClusterRuntime, type KnownAddresses } from './cluster-runtime.ts';
import { ClusterCore } from './core/cluster-core.ts';
import { DEFAULT_CLUSTER_SETTINGS } from './core/cluster-settings.ts';
import { MemoryCoordinatorLease, MemoryMembershipStore } from './membership.memory.ts';
import { OwnAddresses } from './own-addresses.ts';
import type { PeerProbe } from './peer-probe.ts';
import { MemoryRosterChannel } from './roster-channel.memory.ts';
import { MemoryRosterStore } from './roster-store.memory.ts';
import { seenNode } from './testing/seen-node.ts';

const IDLE = { connections: 0, cpu: 0, memory: 0, eventLoopDelayMs: 0, relayBytesPerSecond: 0 };
const CLUSTER = 'the-cluster';
const INSIDE = 'http://192.168.1.5:8080';
const SELF = {
  nodeId: 'self',
  incarnation: 7,
  region: 'default',
  version: '1.0.0',
  roles: ['index', 'relay'],
  capacity: { connections: 1_000, relayBytesPerSecond: 1_000_000, eventLoopDelayMs: 250 },
  addresses: { edge: INSIDE, stun: null },
} as const;
const BEHIND_A_NAT: KnownAddresses = {
  edgeUrl: undefined,
  publicAddress: undefined,
  boundEdge: 'http://0.0.0.0:8080',
  stun: '192.168.1.5:3478',
  hostAddresses: ['192.168.1.5'],
};

/** One supernode among peers that answer probes, each with how it sees this one. */
function supernodeSeenAs(views: Readonly<Record<string, () => string>>, clusterOf = () => CLUSTER) {
  const time = new ManualTime();
  const membership = new MemoryMembershipStore(time);
  const own = new OwnAddresses();
  const probe: PeerProbe = {
    identity: (edgeUrl) => {
      const nodeId = new URL(edgeUrl).hostname;
      return Promise.resolve({ clusterId: clusterOf(), nodeId, incarnation: 1, rosterEpoch: 0 });
    },
    reflexiveAddress: (stun) => Promise.resolve(views[stun.split(':')[0] ?? '']?.()),
  };
  const core = new ClusterCore(
    { self: SELF, settings: DEFAULT_CLUSTER_SETTINGS, nextFraction: () => 0.5 },
    instant(time.monotonic()),
  );
  const runtime = new ClusterRuntime(
    {
      core,
      self: { nodeId: SELF.nodeId, incarnation: SELF.incarnation, clusterId: CLUSTER },
      membership,
      coordinatorLease: new MemoryCoordinatorLease(time),
      rosters: new MemoryRosterStore(),
      channel: new MemoryRosterChannel(),
      probe,
      clock: time,
      scheduler: time,
      measureLoad: () => Promise.resolve(IDLE),
      onEvent: () => undefined,
      onFailure: () => undefined,
    },
    own,
  );
  return {
    own,
    seconds: (count: number) => time.advance(count * 1_000),
    start: async (known = BEHIND_A_NAT) => {
      for (const nodeId of Object.keys(views)) await membership.renew(seenNode(nodeId).record, 600_000);
      await runtime.start(known);
    },
    /** What its lease tells the others. */
    leased: async () =>
      (await membership.list()).find(({ nodeId }) => nodeId === SELF.nodeId)?.addresses.edge,
  };
}

describe('ClusterRuntime', () => {
  it('publishes its public address though a peer on its own network sees the private one, each time in between', async () => {
    const node = supernodeSeenAs({ neighbour: () => '192.168.1.5', outside: () => '8.8.4.4' });
    await node.start();
    expect(node.own.published).toEqual({ edge: INSIDE, stun: '192.168.1.5:3478' });

    await node.seconds(20);

    expect(node.own.published).toEqual({ edge: 'http://8.8.4.4:8080', stun: '8.8.4.4:3478' });
    expect(await node.leased()).toBe('http://8.8.4.4:8080');
  });

  it('stays where it is while one peer contradicts the others, and follows when they do', async () => {
    let seen = '8.8.4.4';
    const node = supernodeSeenAs({ liar: () => '9.9.9.9', one: () => seen, two: () => seen });
    await node.start();
    await node.seconds(30);
    expect(await node.leased()).toBe('http://8.8.4.4:8080');

    seen = '8.8.8.8';
    await node.seconds(10);

    expect(await node.leased()).toBe('http://8.8.8.8:8080');
  });

  it('keeps the address that it learnt when those who saw it are gone', async () => {
    let seen = '8.8.4.4';
    const node = supernodeSeenAs({ neighbour: () => '192.168.1.5', outside: () => seen });
    await node.start();
    await node.seconds(20);

    seen = '192.168.1.5';
    await node.seconds(120);

    expect(await node.leased()).toBe('http://8.8.4.4:8080');
  });

  it('learns nothing of a supernode of another cluster', async () => {
    const node = supernodeSeenAs({ one: () => '8.8.4.4', two: () => '8.8.4.4' }, () => 'another-cluster');
    await node.start();

    await node.seconds(30);

    expect(await node.leased()).toBe(INSIDE);
  });

  it('publishes what is configured, whatever others see', async () => {
    const node = supernodeSeenAs({ one: () => '8.8.4.4', two: () => '8.8.4.4' });
    await node.start({ ...BEHIND_A_NAT, edgeUrl: 'https://sn1.example.net', publicAddress: '8.8.8.8' });

    await node.seconds(30);

    expect(await node.leased()).toBe('https://sn1.example.net');
  });
});
