import { describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { ClusterDriver, type ClusterDriverParts, type ClusterEvent } from './cluster-driver.ts';
import { ClusterCore } from './core/cluster-core.ts';
import { DEFAULT_CLUSTER_SETTINGS } from './core/cluster-settings.ts';
import { MemoryCoordinatorLease, MemoryMembershipStore } from './membership.memory.ts';
import type { PeerProbe } from './peer-probe.ts';
import { MemoryRosterChannel } from './roster-channel.memory.ts';
import { MemoryRosterStore } from './roster-store.memory.ts';
import { SLOT_COUNT } from './slot.ts';

const IDLE = { connections: 0, cpu: 0, memory: 0, eventLoopDelayMs: 0, relayBytesPerSecond: 0 };
const CLUSTER = 'the-cluster';

/** Several supernodes with real cores on one clock, and stores that can fail. */
class World {
  readonly time = new ManualTime();
  readonly membership = new MemoryMembershipStore(this.time);
  readonly coordinatorLease = new MemoryCoordinatorLease(this.time);
  readonly rosters = new MemoryRosterStore();
  readonly channel = new MemoryRosterChannel();
  readonly cores = new Map<string, ClusterCore>();
  readonly probe: PeerProbe = {
    identity: (edgeUrl) => {
      const core = this.cores.get(new URL(edgeUrl).hostname);
      return Promise.resolve(core && { clusterId: this.clusterOf(core), ...core.identity });
    },
    reflexiveAddress: () => Promise.resolve('8.8.4.4'),
  };
  clusterOf: (core: ClusterCore) => string = () => CLUSTER;

  node(nodeId: string, parts: Partial<ClusterDriverParts> = {}) {
    const { time } = this;
    const addresses = { edge: `http://${nodeId}:8080`, stun: `192.0.2.1:3478` };
    const core = new ClusterCore(
      {
        self: {
          nodeId,
          incarnation: 1,
          region: 'default',
          version: '0.1.0',
          roles: ['index', 'relay'],
          capacity: { connections: 1_000, relayBytesPerSecond: 1_000_000, eventLoopDelayMs: 250 },
          addresses,
        },
        settings: DEFAULT_CLUSTER_SETTINGS,
        nextFraction: () => 0.5,
      },
      instant(time.monotonic()),
    );
    this.cores.set(nodeId, core);
    const events: ClusterEvent[] = [];
    const failures: string[] = [];
    const learnt: string[] = [];
    const driver = new ClusterDriver({
      core,
      self: { nodeId, incarnation: 1, clusterId: CLUSTER },
      membership: this.membership,
      coordinatorLease: this.coordinatorLease,
      rosters: this.rosters,
      channel: this.channel,
      probe: this.probe,
      clock: time,
      scheduler: time,
      measureLoad: () => Promise.resolve(IDLE),
      onEvent: (event) => events.push(event),
      onReflexiveAddress: (address) => learnt.push(address),
      onFailure: (what) => failures.push(what),
      ...parts,
    });
    return { core, driver, events, failures, learnt, start: () => driver.start(addresses) };
  }
}

const gained = (events: readonly ClusterEvent[]) =>
  events.reduce((sum, event) => sum + (event.kind === 'ownership-changed' ? event.gained.size : 0), 0);

describe('ClusterDriver', () => {
  it('brings supernodes to one roster in which every slot has an owner', async () => {
    const world = new World();
    const nodes = ['node-a', 'node-b', 'node-c'].map((nodeId) => world.node(nodeId));
    await Promise.all(nodes.map(({ start }) => start()));

    await world.time.advance(15_000);

    const roster = await world.rosters.read();
    expect(roster.seats.map(({ nodeId }) => nodeId).sort()).toEqual(['node-a', 'node-b', 'node-c']);
    expect(roster.writtenAt).toBeGreaterThan(Date.UTC(2026, 0, 1));
    for (const { core, failures } of nodes) {
      expect(core.roster).toEqual(roster);
      expect(core.standing(instant(world.time.monotonic()))).toBe('acting');
      expect(failures).toEqual([]);
    }
    expect(nodes.reduce((sum, { events }) => sum + gained(events), 0)).toBeGreaterThanOrEqual(SLOT_COUNT);
  });

  it('keeps the decisions with the roster that they led to', async () => {
    const world = new World();
    await world.node('node-a').start();

    await world.time.advance(10_000);

    const [first] = (await world.rosters.decisions(10)).toReversed();
    expect(first).toMatchObject({ action: 'promote', nodeId: 'node-a', coordinator: 'node-a' });
    expect(first?.at).toBeGreaterThan(Date.UTC(2026, 0, 1));
  });

  it('drains: others have the slots before it says so, and its lease is gone after it left', async () => {
    const world = new World();
    const [leaving, staying] = [world.node('node-a'), world.node('node-b')];
    await Promise.all([leaving.start(), staying.start()]);
    await world.time.advance(15_000);
    let isDrained = false;

    void leaving.driver.drain().then(() => (isDrained = true));
    await world.time.advance(10_000);
    expect(isDrained).toBe(true);
    expect((await world.rosters.read()).seats.map(({ nodeId }) => nodeId)).toEqual(['node-b']);

    await leaving.driver.leave();
    await leaving.driver.leave();
    expect((await world.membership.list()).map(({ nodeId }) => nodeId)).toEqual(['node-b']);
    await staying.driver.leave();
    await settled();
    expect(world.time.pendingTimers).toBe(0);
  });

  it('goes on while a store refuses, and tells the core', async () => {
    const world = new World();
    const away = { isAway: false };
    const membership = {
      renew: (...args: Parameters<MemoryMembershipStore['renew']>) =>
        away.isAway ? Promise.reject(new TypeError('away')) : world.membership.renew(...args),
      release: () => Promise.resolve(),
      list: () => (away.isAway ? Promise.reject(new TypeError('away')) : world.membership.list()),
    };
    const { core, failures, events, start } = world.node('node-a', { membership });
    await start();
    await world.time.advance(10_000);

    away.isAway = true;
    await world.time.advance(6_000);
    expect(new Set(failures)).toEqual(new Set(['renew-lease', 'read-leases']));
    expect(core.standing(instant(world.time.monotonic()))).toBe('connected-only');

    away.isAway = false;
    await world.time.advance(6_000);
    expect(core.standing(instant(world.time.monotonic()))).toBe('acting');
    const standings = events.flatMap((event) => (event.kind === 'standing-changed' ? [event.to] : []));
    expect(standings).toEqual(['acting', 'connected-only', 'acting']);
  });

  it('does not wait for a store that never answers', async () => {
    const world = new World();
    const silent = new Promise<never>(() => undefined);
    const { failures, events, start } = world.node('node-a', {
      rosters: Object.assign(new MemoryRosterStore(), { poll: () => silent }),
    });
    await start();

    await world.time.advance(10_000);

    expect((await world.membership.list()).map(({ nodeId }) => nodeId)).toEqual(['node-a']);
    expect(failures).toEqual([]);
    expect(events.some(({ kind }) => kind === 'alert-raised')).toBe(true);
  });

  it('takes the supernode of another cluster at an address for a failed probe, and passes on how it is seen', async () => {
    const world = new World();
    const [one, other] = [world.node('node-a'), world.node('node-b')];
    await Promise.all([one.start(), other.start()]);
    await world.time.advance(5_000);
    const reached = async () => (await world.membership.list()).map((record) => record.reached);
    expect(await reached()).toEqual([['node-b'], ['node-a']]);
    expect(new Set(one.learnt)).toEqual(new Set(['8.8.4.4']));

    world.clusterOf = (core) => (core === other.core ? 'another-cluster' : CLUSTER);
    await world.time.advance(10_000);

    expect(await reached()).toEqual([[], ['node-a']]);
  });
});
