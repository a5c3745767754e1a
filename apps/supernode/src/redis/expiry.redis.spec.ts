import { expect, it } from '@jest/globals';
import { RedisCoordinatorLease, RedisMembershipStore } from '../cluster/membership.redis.ts';
import type { Ownership } from '../cluster/ownership.port.ts';
import { slotOf } from '../cluster/slot.ts';
import { RedisResourceIndex } from '../directory/resource-index.redis.ts';
import { WITHDRAWN } from '../directory/resource-scripts.ts';
import { RedisResumeStore } from '../gateway/resume-store.redis.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { RedisWaitingPlaces } from '../identity/waiting-places.redis.ts';
import { RedisPresenceStore } from '../presence/presence-store.redis.ts';
import { presenceOf } from '../presence/testing/presence-store.contract.ts';
import { UNWATCHED } from '../presence/watch-scripts.ts';
import { RedisWatchStore } from '../presence/watch-store.redis.ts';
import { RedisSessionBook } from '../rendezvous/session-book.redis.ts';
import { idOf, session } from '../rendezvous/testing/session-book.contract.ts';
import { RedisKeys } from './redis-keys.ts';
import { describeRedis } from './testing/describe-redis.ts';
import { HeldCommands } from './testing/held-commands.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const { tenant, userId } = alice;
const slot = slotOf(tenant, userId);
const home: Pick<Ownership, 'tenureOf'> = {
  tenureOf: (...user) => ({ slot: slotOf(...user), epoch: 1 }),
};
const NODE = { nodeId: 'a', incarnation: 1 } as Parameters<RedisMembershipStore['renew']>[0];
const LEASE_MS = 60_000;

/** One key of every kind that goes by itself, by the member of `RedisKeys` that names it. */
function passing(keys: RedisKeys): Readonly<Record<string, string>> {
  const resource = [tenant, 'file', 'kept'].join('\u0000');
  const withdrawn = [tenant, 'file', 'withdrawn'].join('\u0000');
  return {
    presence: keys.presence(tenant, userId),
    presentUsers: keys.presentUsers(slot),
    presentUsersOf: keys.presentUsersOf(tenant),
    watched: keys.watched(alice),
    unwatched: keys.unwatched(bob),
    watchers: keys.watchers(tenant, bob.userId),
    formerWatchers: keys.formerWatchers(tenant, userId),
    resume: keys.resume(alice),
    resumeEvents: keys.resumeEvents(alice),
    resumableDevices: keys.resumableDevices(tenant, userId),
    resumeToken: keys.resumeToken('hash'),
    offeredBy: keys.offeredBy(alice),
    withdrawnBy: keys.withdrawnBy(alice),
    holders: keys.holders(resource),
    holderFacts: keys.holderFacts(resource),
    formerHolders: keys.formerHolders(withdrawn),
    session: keys.session(tenant, idOf(4)),
    usedSession: keys.usedSession(tenant, idOf(4)),
    sessionExpiries: keys.sessionExpiries,
    sessionsTaken: keys.sessionsTaken,
    sessionsOf: keys.sessionsOf(tenant, alice.deviceId),
    offersBetween: keys.offersBetween(tenant, userId, bob.userId),
    waitingDevice: keys.waitingDevice(tenant, alice.deviceId),
    nodeRecords: keys.nodeRecords,
    nodeLeases: keys.nodeLeases,
    coordinator: keys.coordinator,
  };
}

/** Of the cluster or a slot; channels; parts of names. */
const OTHERS = [
  'fence',
  'birthmark',
  'rosterChannel',
  'linkChannel',
  'resumePrefix',
  'resumeEventsPrefix',
  'sessionPrefix',
  'ofSlot',
  'constructor',
];

describeRedis('keys in Redis', (lab) => {
  it('go by themselves, each but the fences of slots', async () => {
    const keys = lab.freshKeys();
    const redis = lab.connection;
    const tenure = { slot, epoch: 1 };

    await new RedisPresenceStore(redis, keys, home).put(presenceOf('alice', 'phone'));
    const held = new HeldCommands(redis);
    const watches = new RedisWatchStore(held, keys, home);
    await watches.watch(alice, [bob.userId], 10);
    await watches.watch(bob, [userId], 10);
    const unwatching = held.holdBefore(UNWATCHED);
    const ended = [watches.unwatchAll(bob)];
    await unwatching.reached;

    const index = new RedisResourceIndex(held, keys, home);
    const offer = { device: alice, attributes: {}, ttlMs: 60_000 };
    for (const key of ['kept', 'withdrawn']) await index.announce({ tenant, kind: 'file', key }, offer, 10);
    const withdrawing = held.holdBefore(WITHDRAWN);
    ended.push(index.withdraw({ tenant, kind: 'file', key: 'withdrawn' }, alice));
    await withdrawing.reached;

    const resumes = new RedisResumeStore(redis, keys);
    await resumes.open(alice, { tokenHash: 'hash', isLinked: true }, tenure);
    await resumes.append(alice, { sequence: 1, name: 'account.devices-changed', payload: {} }, tenure);

    const book = new RedisSessionBook(redis, keys, { now: () => 0 });
    for (const n of [1, 2]) await book.open(session(n, { expiresAt: n * 1000 }), 0);
    await book.open(session(3), 0);
    expect(await book.takeExpired(1000)).toHaveLength(2);
    await book.open(session(4), 0);

    await new RedisWaitingPlaces(redis, keys, 'a').note(tenant, alice.deviceId);
    await new RedisMembershipStore(redis, keys).renew(NODE, LEASE_MS);
    await new RedisCoordinatorLease(redis, keys).hold('a', 1, LEASE_MS);

    const names = passing(keys);
    const known = [...Object.keys(names), ...OTHERS].sort();
    expect(known).toEqual(Object.getOwnPropertyNames(RedisKeys.prototype).sort());
    for (const [kind, name] of Object.entries(names)) {
      const left = Number(lab.server.cli('PTTL', name));
      expect([kind, left > 0]).toEqual([kind, true]);
    }
    expect(lab.storedForEver(keys)).toEqual([]);

    unwatching.release();
    withdrawing.release();
    await Promise.all(ended);
  });
});
