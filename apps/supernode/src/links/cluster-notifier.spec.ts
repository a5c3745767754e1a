import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { MovableRoster } from '../gateway/testing/movable-ownership.ts';
import { RecordingDevices } from '../gateway/testing/recording-notifier.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { Metrics } from '../observability/metrics.ts';
import { MemoryPresenceStore } from '../presence/presence-store.memory.ts';
import { sessionId } from '../rendezvous/testing/signed-halves.ts';
import { ClusterNotifier } from './cluster-notifier.ts';
import { HomeLinks } from './home-links.ts';
import { LinkMetrics } from './link-metrics.ts';
import { MemoryLinkNetwork } from './link-transport.memory.ts';
import { ClusterLinks } from './links.service.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const bobTablet = callerNamed('bob', 'tablet');
const ID = sessionId(1);
const NEWS = { userId: alice.userId, version: 3 };

/** Alice lives on `a`, Bob on `b`. */
async function twoHomes() {
  const time = new ManualTime();
  const network = new MemoryLinkNetwork();
  const roster = new MovableRoster();
  const stored = new MemoryPresenceStore({ tenureOf: () => ({ slot: 0, epoch: 1 }) });
  const open = async (nodeId: string) => {
    const metrics = new Metrics({ withProcess: false });
    const ownership = roster.join(nodeId);
    const links = new ClusterLinks(
      { nodeId, incarnation: 1 },
      {
        transport: network.transport(),
        clock: time,
        scheduler: time,
        background: new BackgroundTasks(),
        metrics: new LinkMetrics(metrics),
      },
    );
    await links.open();
    const local = new RecordingDevices();
    const notifier = new ClusterNotifier(
      local,
      new HomeLinks(ownership, links, time, time, metrics),
      links,
      stored,
      time,
    );
    notifier.onModuleInit();
    return { ownership, links, local, notifier, metrics };
  };
  const [a, b, c] = [await open('a'), await open('b'), await open('c')];
  roster.move([bob], b.ownership);
  for (const device of [bob, bobTablet]) b.local.connect(device);
  const elapse = async (milliseconds: number) => {
    for (let passed = 0; passed <= milliseconds; passed += 50) {
      for (let turn = 0; turn < 10; turn += 1) await settled();
      await time.advance(50);
    }
  };
  return { time, network, roster, stored, a, b, c, elapse };
}

describe('ClusterNotifier', () => {
  it('tells devices here at once and devices elsewhere over a link', async () => {
    const { a, b, c, elapse } = await twoHomes();
    a.local.connect(alice);
    a.notifier.notifyDevice(alice, 'account.devices-changed', NEWS);
    expect(a.local.take(alice, 'account.devices-changed')).toEqual([NEWS]);

    a.notifier.notifyDevice(bob, 'account.devices-changed', NEWS);
    a.notifier.notifyUser(bob.tenant, bob.userId, 'account.devices-changed', NEWS, bobTablet.deviceId);
    await elapse(0);
    expect(b.local.take(bob, 'account.devices-changed')).toEqual([NEWS, NEWS]);
    expect(b.local.take(bobTablet, 'account.devices-changed')).toEqual([]);
    expect([...a.local.events, ...c.local.events]).toEqual([]);
  });

  it('knows only of its own devices whether they are connected', async () => {
    const { a, b, elapse } = await twoHomes();
    expect(a.notifier.notifyConnected(alice, 'account.devices-changed', NEWS)).toBe(false);
    expect(a.notifier.notifyConnected(bob, 'account.devices-changed', NEWS)).toBe(true);
    await elapse(0);
    expect(b.local.take(bob, 'account.devices-changed')).toEqual([NEWS]);
  });

  it('asks the shared state for devices elsewhere, and tells connected from resumable ones', async () => {
    const { a, stored, time } = await twoHomes();
    const device = { state: 'online', present: true, statusText: null, setAt: 0, asOf: 0 } as const;
    await stored.put({ ...device, device: bob, reachable: true, resumableUntil: null });
    await stored.put({
      ...device,
      device: bobTablet,
      reachable: false,
      resumableUntil: time.now() + 1000,
    });
    const { tenant, userId } = bob;
    expect(await a.notifier.connectedDevices(tenant, userId)).toEqual([bob.deviceId]);
    expect(await a.notifier.resumableDevices(tenant, userId)).toEqual([bob.deviceId, bobTablet.deviceId]);
    await time.advance(1000);
    expect(await a.notifier.resumableDevices(tenant, userId)).toEqual([bob.deviceId]);
  });

  it('follows a user whose home is lost while an event is on its way', async () => {
    const { a, b, c, network, roster, elapse } = await twoHomes();
    network.passes = (to) => to !== 'b';
    a.notifier.notifyDevice(bob, 'account.devices-changed', NEWS);
    await elapse(100);
    roster.move([bob], c.ownership);
    c.local.connect(bob);
    a.links.close('b');
    await elapse(500);
    expect(b.local.events).toEqual([]);
    expect(c.local.take(bob, 'account.devices-changed')).toEqual([NEWS]);
  });

  it('passes on what comes to an earlier home, once', async () => {
    const { a, b, c, roster, elapse } = await twoHomes();
    c.local.connect(bob);
    a.links.tell('b', 'user.event', { ...bob, event: 'account.devices-changed', payload: NEWS });
    roster.move([bob], c.ownership);
    await elapse(0);
    expect(b.local.events).toEqual([]);
    expect(c.local.take(bob, 'account.devices-changed')).toEqual([NEWS]);
  });

  it('passes on again where rosters differed, and counts what goes to and fro', async () => {
    const { a, b, c, roster, elapse } = await twoHomes();
    roster.move([bob], c.ownership);
    c.local.connect(bob);
    const event = { ...bob, event: 'account.devices-changed', payload: NEWS };
    // From a supernode that knew more than the one that passed it on.
    a.links.tell('b', 'user.event', { ...event, hops: 1 });
    await elapse(500);
    expect(c.local.take(bob, 'account.devices-changed')).toEqual([NEWS]);

    a.links.tell('b', 'user.event', { ...event, hops: 16 });
    await elapse(500);
    expect(c.local.events).toEqual([]);
    expect((await b.metrics.exposition()).body).toContain(
      'parley_drops_total{component="home-links",reason="too-many-hops"} 1',
    );
  });

  it('waits until a new home may act, whoever has something to tell', async () => {
    const { a, b, c, roster, elapse } = await twoHomes();
    c.local.connect(bob);
    c.ownership.mayAct = false;
    roster.move([bob], c.ownership);
    for (const { notifier } of [a, b, c]) notifier.notifyDevice(bob, 'account.devices-changed', NEWS);
    await elapse(500);
    expect(c.local.events).toEqual([]);

    c.ownership.mayAct = true;
    await elapse(500);

    expect(c.local.take(bob, 'account.devices-changed')).toEqual([NEWS, NEWS, NEWS]);
  });

  it('brings what was told while nothing came through, once something does', async () => {
    const { a, b, network, elapse } = await twoHomes();
    network.passes = () => false;
    a.notifier.notifyConnected(bob, 'mailbox.arrived', { items: [] });
    await elapse(30_000);
    network.passes = () => true;
    await elapse(3000);
    expect(b.local.take(bob, 'mailbox.arrived')).toEqual([{ items: [] }]);
  });

  it('waits for a home where there is none for a moment, and counts what it gives up', async () => {
    const { a, b, roster, elapse } = await twoHomes();
    roster.move([bob]);
    a.notifier.notifyDevice(bob, 'account.devices-changed', NEWS);
    await elapse(1000);
    roster.move([bob], b.ownership);
    await elapse(500);
    expect(b.local.take(bob, 'account.devices-changed')).toEqual([NEWS]);

    roster.move([bob]);
    a.notifier.notifyDevice(bob, 'session.ended', { sessionId: ID, reason: 'expired' });
    await elapse(20_000);
    expect((await a.metrics.exposition()).body).toContain(
      'parley_drops_total{component="home-links",reason="no-home"} 1',
    );
  });
});
