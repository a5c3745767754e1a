import { LIMITS } from '@parley/protocol';
import { GRACE_MS } from '../presence/testing/presence-world.ts';
import { sessionId, signingCaller } from '../rendezvous/testing/signed-halves.ts';
import { openHomes } from './testing/homes.ts';

const alice = signingCaller('alice');
const bob = signingCaller('bob');
const bobTablet = signingCaller('bob');
const carol = signingCaller('carol');
const dora = signingCaller('dora');
const ID = sessionId(1);
const away = { code: 'SN_REDIS_UNREACHABLE' };

/** Alice and Bob, with two devices, live on `a`, Carol on `b`; Dora of `a` is not there. All are contacts of Alice. */
async function oneHomeOfTwo() {
  const cluster = await openHomes(['a', 'b']);
  const [a, b] = cluster.homes as [Home, Home];
  cluster.roster.move([carol], b.ownership);
  for (const other of [bob, carol, dora]) {
    cluster.shared.contacts.befriend(alice.tenant, alice.userId, other.userId);
  }
  for (const device of [alice, bob, bobTablet]) await a.signIn(device);
  await b.signIn(carol);
  await cluster.quiet();
  return { ...cluster, a, b };
}

type Home = Awaited<ReturnType<typeof openHomes>>['homes'][number];

describe('users of one home while Redis is away › sessions and calls', () => {
  it('are offered, answered once, and hung up', async () => {
    const { a, cutOff, quiet } = await oneHomeOfTwo();
    cutOff();
    await a.call(alice, [bob, bobTablet], ID);
    for (const device of [bob, bobTablet]) await a.calls.ringing(device, { sessionId: ID });
    expect(a.notifier.take(alice, 'session.ringing')).toHaveLength(2);
    const answers = await Promise.allSettled([bob, bobTablet].map((device) => a.answer(device, alice, ID)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(a.notifier.take(alice, 'session.answered')).toHaveLength(1);
    await a.candidates(alice, answers[0]!.status === 'fulfilled' ? bob : bobTablet, ID);
    await a.calls.end(alice, { sessionId: ID, cause: 'hung-up' });
    await quiet();
    expect((await a.records(alice)).map(({ outcome }) => outcome)).toEqual(['completed']);
  });

  it('go on at any home when Redis is back empty', async () => {
    const { a, b, cutOff, sessions, roster, elapse } = await oneHomeOfTwo();
    const bringBack = cutOff();
    await a.call(alice, [bob, bobTablet], ID);
    await a.answer(bob, alice, ID);
    sessions.empty();
    bringBack();
    await elapse(500);

    roster.move([alice, bob], b.ownership);
    await expect(b.answer(bobTablet, alice, ID)).rejects.toMatchObject({ code: 'SESSION_TAKEN' });
    await b.calls.end(bob, { sessionId: ID, cause: 'hung-up' });
    await elapse(500);
    expect((await b.records(alice)).map(({ outcome }) => outcome)).toEqual(['completed']);
  });

  it('expire, are told of once, and leave a missed call', async () => {
    const { a, cutOff, elapse } = await oneHomeOfTwo();
    const bringBack = cutOff();
    await a.call(alice, [bob], ID);
    await elapse(31_000);
    bringBack();
    await elapse(31_000);
    expect(a.notifier.take(alice, 'session.ended')).toMatchObject([{ sessionId: ID, reason: 'expired' }]);
    expect((await a.records(bob)).map(({ outcome }) => outcome)).toEqual(['missed']);
  });

  it('end with the device that calls', async () => {
    const { a, cutOff, elapse } = await oneHomeOfTwo();
    cutOff();
    await a.call(alice, [bob], ID);
    await a.calls.deviceUnreachable(alice);
    await elapse(LIMITS.ringingCallerGraceMs + 1000);
    expect(a.notifier.take(bob, 'session.ended')).toMatchObject([{ sessionId: ID, reason: 'cancelled' }]);
  });

  it('are refused, to be tried again, where the other has another home or the session began before', async () => {
    const { a, cutOff } = await oneHomeOfTwo();
    await a.call(alice, [bob], ID);
    cutOff();
    await expect(a.offer(alice, [carol], sessionId(2))).rejects.toMatchObject(away);
    await expect(a.answer(bob, alice, ID)).rejects.toMatchObject(away);
  });

  it('are refused alike for a contact who hides and for one who is not there', async () => {
    const { a, cutOff, elapse } = await oneHomeOfTwo();
    await a.presence.set(bob, { state: 'invisible' });
    cutOff();
    const refusals = [bob, dora].map((callee, n) =>
      expect(a.call(alice, [callee], sessionId(3 + n))).rejects.toMatchObject({ code: 'PEER_UNAVAILABLE' }),
    );
    await elapse(LIMITS.unavailablePaddingMs + 100);
    await Promise.all(refusals);
  });
});

describe('users of one home while Redis is away › presence', () => {
  it('is watched anew, told, and no longer told to who stopped', async () => {
    const { a, cutOff, quiet } = await oneHomeOfTwo();
    cutOff();
    const { presence } = await a.watching.subscribe(bob, { userIds: [alice.userId, bob.userId] });
    expect(presence.map(({ state }) => state)).toEqual(['online', 'online']);
    await a.presence.set(alice, { state: 'busy' });
    await quiet();
    expect(a.notifier.take(bob, 'presence.changed')).toMatchObject([{ state: 'busy' }]);
    await a.watching.unsubscribe(bob, { userIds: [alice.userId] });
    await a.presence.set(alice, { state: 'online' });
    await quiet();
    expect(a.notifier.take(bob, 'presence.changed')).toEqual([]);
  });

  it('shows who is not there as offline', async () => {
    const { a, cutOff } = await oneHomeOfTwo();
    cutOff();
    const { presence } = await a.watching.subscribe(alice, { userIds: [dora.userId] });
    expect(presence).toMatchObject([{ state: 'offline' }]);
  });

  it('is stored afterwards: what was watched, what no longer, and what of devices that left', async () => {
    const { a, shared, cutOff, elapse } = await oneHomeOfTwo();
    await a.watching.subscribe(bob, { userIds: [carol.userId] });
    await a.watching.subscribe(bobTablet, { userIds: [carol.userId, alice.userId] });
    const bringBack = cutOff();
    await a.watching.subscribe(bob, { userIds: [alice.userId] });
    await a.watching.unsubscribe(bob, { userIds: [carol.userId] });
    await a.connections.deviceGone(bobTablet, 'signed-off');
    await elapse(GRACE_MS);
    bringBack();
    await elapse(2000);
    expect(await shared.watches.watchedBy(bob)).toEqual([alice.userId]);
    expect(await shared.watches.watchedBy(bobTablet)).toEqual([]);
  });
});
