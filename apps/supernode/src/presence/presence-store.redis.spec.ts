import { describe, expect, it } from '@jest/globals';
import type { Ownership } from '../cluster/ownership.port.ts';
import { slotOf } from '../cluster/slot.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { describeRedis } from '../redis/testing/describe-redis.ts';
import { compareVersions } from './presence-store.port.ts';
import { RedisPresenceStore } from './presence-store.redis.ts';
import { presenceOf, presenceStoreContract } from './testing/presence-store.contract.ts';
import { RedisWatchStore } from './watch-store.redis.ts';

const homeSince = (epoch: number): Pick<Ownership, 'tenureOf'> => ({
  tenureOf: (tenant, userId) => ({ slot: slotOf(tenant, userId), epoch }),
});

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const { tenant, userId } = alice;

describeRedis('RedisPresenceStore', (lab) => {
  presenceStoreContract((ownership) => new RedisPresenceStore(lab.connection, lab.freshKeys(), ownership));

  describe('› fencing', () => {
    it('refuses an owner that was outranked, whatever it still believes', async () => {
      const keys = lab.freshKeys();
      const [old, fresh] = [4, 5].map(
        (epoch) => new RedisPresenceStore(lab.connection, keys, homeSince(epoch)),
      );
      await old!.put(presenceOf('alice', 'phone'));
      const before = await old!.read(tenant, userId);
      await fresh!.put(presenceOf('alice', 'phone', { state: 'busy' }));

      const stale = presenceOf('alice', 'phone', { state: 'away' });
      await expect(old!.put(stale)).rejects.toMatchObject({ code: 'SN_NOT_OWNER' });
      await expect(old!.remove(alice)).rejects.toMatchObject({ code: 'SN_NOT_OWNER' });
      await expect(old!.renew(tenant, userId)).rejects.toMatchObject({ code: 'SN_NOT_OWNER' });

      const seen = await new RedisPresenceStore(lab.connection, keys, { tenureOf: () => undefined }).read(
        tenant,
        userId,
      );
      expect(seen.devices).toEqual([presenceOf('alice', 'phone', { state: 'busy' })]);
      expect(seen.version.epoch).toBe(5);
      expect(before.version.epoch).toBe(4);
    });
  });

  it('leaves nothing but the counter of a user who left, and that not for ever', async () => {
    const keys = lab.freshKeys();
    const store = new RedisPresenceStore(lab.connection, keys, homeSince(1));
    await store.put(presenceOf('alice', 'phone'));
    await store.put(presenceOf('alice', 'laptop'));
    expect(lab.stored(keys)).toHaveLength(3);
    expect(lab.storedForEver(keys)).toEqual([]);

    await store.remove(callerNamed('alice', 'phone'));
    await store.remove(callerNamed('alice', 'laptop'));

    expect(lab.stored(keys)).toEqual([expect.stringMatching(/\}:presence:default alice$/)]);
    expect(lab.storedForEver(keys)).toEqual([]);
  });

  it('leaves users out of the list whose presence is gone, and lists again who was forgotten', async () => {
    const { server, connection } = lab;
    const keys = lab.freshKeys();
    const store = new RedisPresenceStore(connection, keys, homeSince(1));
    for (const user of ['alice', 'bob', 'carol']) await store.put(presenceOf(user, 'phone'));
    server.cli('DEL', keys.presentUsers(slotOf(tenant, userId)));
    expect(await store.users({ tenant, limit: 2 })).toEqual(['bob', 'carol']);
    expect(
      await connection.command(keys.presentUsersOf(tenant), ['ZCARD', keys.presentUsersOf(tenant)]),
    ).toBe(2);

    await store.renew(tenant, userId);
    expect(await store.users({ tenant, limit: 2 })).toEqual(['alice', 'bob']);
  });
});

describeRedis('RedisPresenceStore and RedisWatchStore in a Redis that lost everything', (lab) => {
  it('go on, with versions that outrank all of before', async () => {
    const keys = lab.freshKeys();
    const home = homeSince(7);
    const store = new RedisPresenceStore(lab.connection, keys, home);
    const watches = new RedisWatchStore(lab.connection, keys, home);
    await store.put(presenceOf('alice', 'phone'));
    await watches.watch(bob, [alice.userId], 10);
    const before = await store.read(tenant, userId);

    await lab.loseAll();

    const empty = await store.read(tenant, userId);
    expect(empty.devices).toEqual([]);
    expect(compareVersions(before.version, empty.version)).toBeLessThan(0);
    expect(await watches.watchersOf(tenant, userId)).toEqual([]);
    await store.put(presenceOf('alice', 'phone'));
    await watches.watch(bob, [alice.userId], 10);
    const after = await store.read(tenant, userId);
    expect(after.devices).toHaveLength(1);
    expect(compareVersions(empty.version, after.version)).toBeLessThan(0);
    expect(await watches.watchersOf(tenant, userId)).toHaveLength(1);
  });
});
