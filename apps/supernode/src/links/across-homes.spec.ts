import { LIMITS } from '@parley/protocol';
import { MailboxDelivery } from '../messaging/mailbox-delivery.service.ts';
import { MessagingMetrics } from '../messaging/messaging-metrics.ts';
import { copyFor } from '../messaging/testing/sealed-copies.ts';
import { GRACE_MS } from '../presence/testing/presence-world.ts';
import { sessionId, signingCaller, type SigningCaller } from '../rendezvous/testing/signed-halves.ts';
import { openHomes } from './testing/homes.ts';

const alice = signingCaller('alice');
const bob = signingCaller('bob');
const bobTablet = signingCaller('bob');
const carol = signingCaller('carol');
const ID = sessionId(1);

/** Alice lives on `a`, Bob with two devices on `b`, Carol on `c`; all are contacts. */
async function threeHomes(pace?: Parameters<typeof openHomes>[1]) {
  const cluster = await openHomes(['a', 'b', 'c'], pace);
  const [a, b, c] = cluster.homes as [Home, Home, Home];
  cluster.roster.move([bob], b.ownership);
  cluster.roster.move([carol], c.ownership);
  const { contacts } = cluster.shared;
  for (const [one, other] of [
    [alice, bob],
    [alice, carol],
    [bob, carol],
  ] as const)
    contacts.befriend(one.tenant, one.userId, other.userId);
  await a.signIn(alice);
  for (const device of [bob, bobTablet]) await b.signIn(device);
  await c.signIn(carol);
  await cluster.quiet();

  /** Messages of a kind that left a home since this was asked last. */
  const counts = new Map<string, number>();
  const sent = async (home: Home, message: string): Promise<number> => {
    // The links of a home count in metrics of their own, of which the queue is the only gauge.
    const text = (await home.linkMetrics.exposition()).body;
    const total = Number(
      new RegExp(`parley_link_messages_sent_total[{]message="${message}"[}] (\\d+)`).exec(text)?.[1] ?? 0,
    );
    const key = `${home.nodeId} ${message}`;
    const before = counts.get(key) ?? 0;
    counts.set(key, total);
    return total - before;
  };
  return { ...cluster, a, b, c, sent };
}

type Home = Awaited<ReturnType<typeof openHomes>>['homes'][number];

const partyOf = ({ userId, deviceId }: SigningCaller) => ({ userId, deviceId });

describe('users of different supernodes › sessions and calls', () => {
  it('offer, trickle and answer as on one supernode', async () => {
    const { a, b, quiet } = await threeHomes();
    await a.offer(alice, [bob, bobTablet], ID);
    await quiet();
    for (const device of [bob, bobTablet])
      expect(b.notifier.take(device, 'session.offered')).toMatchObject([
        { sessionId: ID, from: partyOf(alice), contact: true },
      ]);
    await a.candidates(alice, bob, ID);
    await b.answer(bob, alice, ID);
    await quiet();
    expect(b.notifier.take(bob, 'session.candidates')).toMatchObject([{ from: partyOf(alice) }]);
    expect(a.notifier.take(alice, 'session.answered')).toMatchObject([{ from: partyOf(bob) }]);
    expect(b.notifier.take(bobTablet, 'session.ended')).toEqual([
      { sessionId: ID, reason: 'answered-elsewhere' },
    ]);
  });

  it('ring on every device, are answered once, and are in both histories when they end', async () => {
    const { a, b, quiet } = await threeHomes();
    await a.call(alice, [bob, bobTablet], ID);
    await quiet();
    for (const device of [bob, bobTablet]) await b.calls.ringing(device, { sessionId: ID });
    await quiet();
    expect(a.notifier.take(alice, 'session.ringing').map(({ from }) => from)).toEqual(
      [bob, bobTablet].map(partyOf),
    );
    await b.answer(bobTablet, alice, ID);
    await expect(b.answer(bob, alice, ID)).rejects.toMatchObject({ code: 'SESSION_TAKEN' });
    await a.calls.end(alice, { sessionId: ID, cause: 'hung-up' });
    await quiet();
    expect(b.notifier.take(bobTablet, 'session.ended')).toEqual([{ sessionId: ID, reason: 'hung-up' }]);
    expect(await a.records(alice)).toMatchObject([{ direction: 'outgoing', outcome: 'completed' }]);
    expect(await b.records(bob)).toMatchObject([{ direction: 'incoming', outcome: 'completed' }]);
    // The history of both is told to all of their devices: when it was answered and when it ended.
    expect(a.notifier.take(alice, 'call.recorded')).toHaveLength(2);
    expect(b.notifier.take(bob, 'call.recorded')).toHaveLength(2);
  });

  it('expire once, whichever supernode notices', async () => {
    const { a, b, elapse } = await threeHomes();
    await a.call(alice, [bob], ID);
    await elapse(31_000);
    expect(a.notifier.take(alice, 'session.ended')).toEqual([{ sessionId: ID, reason: 'expired' }]);
    expect(b.notifier.take(bob, 'session.ended')).toEqual([{ sessionId: ID, reason: 'expired' }]);
  });

  it('are refused for a contact elsewhere who hides, as for one who is away', async () => {
    const { a, b, time, quiet } = await threeHomes();
    await b.presence.set(bob, { state: 'invisible' });
    const refused = a.call(alice, [bob], ID);
    refused.catch(() => undefined);
    await quiet();
    await time.advance(5000);
    await expect(refused).rejects.toMatchObject({ code: 'PEER_UNAVAILABLE' });
    expect(b.notifier.take(bob, 'session.offered')).toEqual([]);
  });

  it('have no native relay, which would need two flows of one supernode', async () => {
    const { a, b, quiet } = await threeHomes();
    for (const home of [a, b])
      home.flows.addresses.set(alice.deviceId, ['203.0.113.1']).set(bob.deviceId, ['203.0.113.2']);
    await a.offer(alice, [bob], ID);
    await quiet();
    const [shown] = b.notifier.take(bob, 'session.offered');
    expect(shown).toMatchObject({ observedAddresses: ['203.0.113.1'] });
    expect(shown?.relay).toBeUndefined();
    await b.answer(bob, alice, ID);
    expect([...a.flows.log, ...b.flows.log]).toEqual([]);
  });

  it('lose their relays at all homes that they may have had when one user blocks the other', async () => {
    const { a, b, c, quiet } = await threeHomes();
    await a.contactsService.block(alice, { userId: bob.userId });
    await quiet();
    const blocked = [`block ${alice.userId} ${bob.userId}`];
    expect([a.flows.log, b.flows.log, c.flows.log]).toEqual([blocked, blocked, blocked]);
  });
});

describe('users of different supernodes › contacts and messages', () => {
  it('hear of requests and answers on all devices', async () => {
    const { a, b, quiet } = await threeHomes();
    const dave = signingCaller('dave');
    await a.signIn(dave);
    await a.contactsService.request(dave, { userId: bob.userId });
    await quiet();
    for (const device of [bob, bobTablet])
      expect(b.notifier.take(device, 'contacts.changed')).toMatchObject([{ userId: dave.userId }]);
    await b.contactsService.accept(bob, { userId: dave.userId });
    await quiet();
    expect(a.notifier.take(dave, 'contacts.changed').at(-1)).toMatchObject({ userId: bob.userId });
    expect(b.notifier.take(bobTablet, 'contacts.changed')).toHaveLength(1);
  });

  it('are shown new mail over their connection, wherever it is', async () => {
    const { a, b, quiet } = await threeHomes();
    const delivery = new MailboxDelivery(a.notifier, new MessagingMetrics(a.metrics));
    const copies = [copyFor(bob, alice, 'one'), copyFor(bobTablet, alice, 'one')];
    const mark = { cursor: 1, storedAt: 5, isRequest: false };
    delivery.arrived(copies, [
      { kind: 'stored', mark },
      { kind: 'stored', mark },
    ]);
    await quiet();
    for (const device of [bob, bobTablet])
      expect(b.notifier.take(device, 'mailbox.arrived')).toMatchObject([{ items: [{ cursor: 1 }] }]);
  });
});

describe('users of different supernodes › presence', () => {
  it('costs one message to each supernode with a watcher, and none to others', async () => {
    const { a, b, c, sent, quiet } = await threeHomes();
    for (const device of [bob, bobTablet]) await b.watching.subscribe(device, { userIds: [alice.userId] });
    await a.presence.set(alice, { state: 'away' });
    await quiet();
    for (const device of [bob, bobTablet])
      expect(b.notifier.take(device, 'presence.changed')).toMatchObject([{ state: 'away' }]);
    expect(c.notifier.take(carol, 'presence.changed')).toEqual([]);
    expect(await sent(a, 'presence.fan-out')).toBe(1);

    await c.watching.subscribe(carol, { userIds: [alice.userId] });
    await a.presence.set(alice, { state: 'busy' });
    await quiet();
    expect(c.notifier.take(carol, 'presence.changed')).toMatchObject([{ state: 'busy' }]);
    expect(await sent(a, 'presence.fan-out')).toBe(2);

    // Nobody elsewhere watches Bob.
    await b.presence.set(bob, { state: 'busy' });
    await quiet();
    expect(await sent(b, 'presence.fan-out')).toBe(0);
  });

  it('carries versions by which a view made elsewhere and an update can be told apart', async () => {
    const { a, b, quiet } = await threeHomes();
    const { presence } = await b.watching.subscribe(bob, { userIds: [alice.userId] });
    await a.presence.set(alice, { state: 'away' });
    await quiet();
    const [update] = b.notifier.take(bob, 'presence.changed');
    expect(presence[0]).toMatchObject({ state: 'online' });
    expect(update!.version.counter).toBeGreaterThan(presence[0]!.version.counter);
    const again = await b.watching.subscribe(bob, { userIds: [alice.userId] });
    expect(again.presence[0]).toMatchObject({ state: 'away' });
    expect(again.presence[0]!.version.counter).toBeGreaterThanOrEqual(update!.version.counter);
  });

  it('tells changes in quick succession as one, keeps the rate, and always tells the last', async () => {
    const { a, b, sent, elapse } = await threeHomes({ windowMs: 50, burst: 2, perMinute: 60 });
    await b.watching.subscribe(bob, { userIds: [alice.userId] });
    await elapse(10_000);
    await sent(a, 'presence.fan-out');
    b.notifier.take(bob, 'presence.changed');
    for (const state of ['away', 'busy', 'online', 'away'] as const) await a.presence.set(alice, { state });
    await elapse(100);
    expect(b.notifier.take(bob, 'presence.changed').map(({ state }) => state)).toEqual(['away']);
    expect(await sent(a, 'presence.fan-out')).toBe(1);

    for (let n = 0; n < 40; n += 1) {
      await a.presence.set(alice, { state: n % 2 ? 'busy' : 'online' });
      await elapse(100);
    }
    expect(await sent(a, 'presence.fan-out')).toBeLessThanOrEqual(6);
    await elapse(2000);
    expect(b.notifier.take(bob, 'presence.changed').at(-1)).toMatchObject({ state: 'busy' });
  });

  it('says nothing to those who may not see the user, not even that something happened', async () => {
    const { a, b, shared, sent, quiet } = await threeHomes();
    shared.contacts.setSide(alice.tenant, alice.userId, bob.userId, 'blocked');
    await b.watching.subscribe(bob, { userIds: [alice.userId] });
    await a.presence.set(alice, { state: 'away' });
    await quiet();
    expect(b.notifier.take(bob, 'presence.changed')).toEqual([]);
    expect(await sent(a, 'presence.fan-out')).toBe(0);
  });

  it('follows a relation that changes at either home', async () => {
    const { a, b, quiet } = await threeHomes();
    await b.watching.subscribe(bob, { userIds: [alice.userId] });
    await b.contactsService.remove(bob, { userId: alice.userId });
    await quiet();
    expect(b.notifier.take(bob, 'presence.changed')).toMatchObject([{ state: 'offline' }]);
    await b.contactsService.request(bob, { userId: alice.userId });
    await a.contactsService.accept(alice, { userId: bob.userId });
    await quiet();
    expect(b.notifier.take(bob, 'presence.changed').at(-1)).toMatchObject({ state: 'online' });
  });
});

describe('users whose home is lost › presence', () => {
  /** Supernode `b` is gone; `c` follows it. */
  async function withoutB() {
    const cluster = await threeHomes();
    const { a, b, c, network, roster, quiet } = cluster;
    await a.watching.subscribe(alice, { userIds: [bob.userId] });
    a.notifier.take(alice, 'presence.changed');
    network.passes = (to, text) => to !== 'b' && !text.startsWith('["b"');
    const lose = async () => {
      b.ownership.mayAct = false;
      roster.move([bob], c.ownership);
      a.links.close('b');
      await quiet();
    };
    const seen = () => a.notifier.take(alice, 'presence.changed').map(({ state }) => state);
    return { ...cluster, lose, seen };
  }

  it('shows no flap of who returns at another supernode in time, and ends who does not', async () => {
    const { a, c, shared, time, lose, seen, quiet, elapse } = await withoutB();
    await lose();
    const stored = await shared.store.devicesOf(bob.tenant, bob.userId);
    expect(stored.map(({ reachable, present }) => [reachable, present])).toEqual([
      [false, true],
      [false, true],
    ]);
    await elapse(GRACE_MS - 1000);
    c.notifier.connect(bob);
    await c.connections.deviceReachable(bob, 'resumed');
    await elapse(3 * GRACE_MS);
    expect(new Set(seen())).toEqual(new Set(['online']));
    expect(await a.notifier.connectedDevices(bob.tenant, bob.userId)).toEqual([bob.deviceId]);

    // The tablet did not return: its grace is over, and in the end nothing of it is left.
    const devices = await shared.store.devicesOf(bob.tenant, bob.userId);
    expect(devices.find(({ device }) => device.deviceId === bobTablet.deviceId)?.present).toBe(false);
    await time.advance(LIMITS.resumeWindowMs);
    await quiet();
    expect(await shared.store.devicesOf(bob.tenant, bob.userId)).toHaveLength(1);
  });

  it('tells of ghosts after the grace time', async () => {
    const { lose, seen, elapse } = await withoutB();
    await lose();
    await elapse(GRACE_MS - 1000);
    expect(seen()).toEqual([]);
    await elapse(2000);
    expect(seen().at(-1)).toBe('offline');
  });

  it('are taken over by a home that might not act when they came', async () => {
    const { c, lose, seen, elapse } = await withoutB();
    c.ownership.mayAct = false;
    await lose();
    await elapse(500);
    c.ownership.mayAct = true;
    await elapse(GRACE_MS + 3000);
    expect(seen().at(-1)).toBe('offline');
  });

  it('tells again what the lost home had stored and told nobody', async () => {
    const { c, lose, seen, shared, elapse } = await withoutB();
    // Everything of the last update but what is stored was lost with the supernode.
    for (const device of await shared.store.devicesOf(bob.tenant, bob.userId))
      await shared.store.put({ ...device, state: 'busy' });
    await lose();
    for (const device of [bob, bobTablet]) {
      c.notifier.connect(device);
      await c.connections.deviceReachable(device, 'resumed');
    }
    await elapse(GRACE_MS + 500);
    expect(seen()).toEqual(['busy']);
  });

  it('ends a state that was chosen for a limited time', async () => {
    const { b, c, lose, seen, elapse } = await withoutB();
    await b.presence.set(bob, { state: 'busy', expiresInMs: 60_000 });
    await lose();
    c.notifier.connect(bob);
    await c.connections.deviceReachable(bob, 'resumed');
    await elapse(61_000);
    expect(seen().at(-1)).toBe('online');
  });

  it('leaves to the next home what is not its own any more', async () => {
    const { b, c, roster, shared, quiet, elapse } = await threeHomes();
    await b.connections.deviceUnreachable(bobTablet);
    roster.move([bob], c.ownership);
    c.notifier.connect(bob);
    c.notifier.connect(bobTablet);
    for (const device of [bob, bobTablet]) await c.connections.deviceReachable(device, 'resumed');
    await quiet();
    await elapse(2 * GRACE_MS);
    const stored = await shared.store.devicesOf(bob.tenant, bob.userId);
    expect(stored.map(({ present, reachable }) => present && reachable)).toEqual([true, true]);
  });
});

describe('users whose store is away › presence', () => {
  it('goes on for the users of this supernode, and is made up for afterwards', async () => {
    const { a, shared, elapse } = await threeHomes();
    const dave = signingCaller('dave');
    shared.contacts.befriend(alice.tenant, alice.userId, dave.userId);
    await a.signIn(dave);
    await a.watching.subscribe(dave, { userIds: [alice.userId] });
    const { store, watches } = shared;
    const { put, read } = store;
    const { watchersOf } = watches;
    const away = () => Promise.reject(Object.assign(new TypeError('away'), { code: 'ECONNREFUSED' }));
    Object.assign(store, { put: away, read: away });
    Object.assign(watches, { watchersOf: away });
    await a.presence.set(alice, { state: 'busy' });
    expect(a.notifier.take(dave, 'presence.changed')).toMatchObject([{ state: 'busy' }]);
    Object.assign(store, { put, read });
    Object.assign(watches, { watchersOf });
    expect(await store.devicesOf(alice.tenant, alice.userId)).toMatchObject([{ state: 'online' }]);
    await elapse(1500);
    expect(await store.devicesOf(alice.tenant, alice.userId)).toMatchObject([{ state: 'busy' }]);
  });

  it('is stored and told again where the store came back empty', async () => {
    const { a, b, c, shared, quiet, elapse } = await threeHomes();
    await b.watching.subscribe(bob, { userIds: [alice.userId] });
    const { store, watches } = shared;
    for (const device of [alice, bob, bobTablet, carol]) {
      await store.remove(device);
      await watches.unwatchAll(device);
    }
    await a.presence.set(alice, { state: 'busy' });
    await quiet();
    expect(b.notifier.take(bob, 'presence.changed')).toEqual([]);

    for (const home of [a, b, c]) home.storeEmptied();
    await elapse(5000);
    expect(b.notifier.take(bob, 'presence.changed')).toMatchObject([{ state: 'busy' }]);
    expect(await store.devicesOf(bob.tenant, bob.userId)).toHaveLength(2);
    await a.presence.set(alice, { state: 'online' });
    await quiet();
    expect(b.notifier.take(bob, 'presence.changed')).toMatchObject([{ state: 'online' }]);
  });
});
