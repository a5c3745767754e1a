import { describe, expect, it } from '@jest/globals';
import type { Ownership } from '../cluster/ownership.port.ts';
import { slotOf } from '../cluster/slot.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { REMOVED_MS } from '../redis/member-fence.ts';
import { describeRedis } from '../redis/testing/describe-redis.ts';
import { HeldCommands } from '../redis/testing/held-commands.ts';
import { watchStoreContract } from './testing/watch-store.contract.ts';
import { ADD_WATCHER, REMOVE_WATCHER, UNWATCHED } from './watch-scripts.ts';
import { RedisWatchStore } from './watch-store.redis.ts';

const homeSince = (epoch: number): Pick<Ownership, 'tenureOf'> => ({
  tenureOf: (tenant, userId) => ({ slot: slotOf(tenant, userId), epoch }),
});

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const { tenant } = alice;
const refused = { code: 'SN_NOT_OWNER' };

describeRedis('RedisWatchStore', (lab) => {
  watchStoreContract(() => new RedisWatchStore(lab.connection, lab.freshKeys(), homeSince(1)));

  /** Two homes of bob, one after the other, of which the first can be stopped. */
  function twoHomes(oldHome = homeSince(4)) {
    const keys = lab.freshKeys();
    const held = new HeldCommands(lab.connection);
    const old = new RedisWatchStore(held, keys, oldHome);
    const fresh = new RedisWatchStore(lab.connection, keys, homeSince(5));
    const watchers = async () => (await fresh.watchersOf(tenant, alice.userId)).map(({ userId }) => userId);
    return { keys, held, old, fresh, watchers };
  }

  it('takes no watch from an owner that was outranked', async () => {
    const { old, fresh, watchers } = twoHomes();
    await fresh.watch(bob, [alice.userId], 10);

    await expect(old.watch(bob, [bob.userId], 10)).rejects.toMatchObject(refused);
    await expect(old.unwatch(bob, [alice.userId])).rejects.toMatchObject(refused);
    await expect(old.unwatchAll(bob)).rejects.toMatchObject(refused);
    await expect(old.renew(bob)).rejects.toMatchObject(refused);
    expect(await watchers()).toEqual(['bob']);
    expect(await fresh.watchersOf(tenant, bob.userId)).toEqual([]);
  });

  describe('› a home that is outranked between its two steps', () => {
    it.each<[string, (store: RedisWatchStore) => Promise<void>]>([
      ['one watch', (store) => store.unwatch(bob, [alice.userId])],
      ['all watches of a device', (store) => store.unwatchAll(bob)],
    ])('and was ending %s takes none from the next home', async (_title, end) => {
      const { held, old, fresh, watchers } = twoHomes();
      await old.watch(bob, [alice.userId], 10);
      const { reached, release } = held.holdBefore(REMOVE_WATCHER);
      const ending = end(old);
      await reached;

      await fresh.watch(bob, [alice.userId], 10);
      release();

      await expect(ending).rejects.toMatchObject(refused);
      expect(await fresh.watchedBy(bob)).toEqual([alice.userId]);
      expect(await watchers()).toEqual(['bob']);
    });

    it('takes nothing that the device, resumed at the next home, still watches', async () => {
      const { held, old, fresh, watchers } = twoHomes();
      await old.watch(bob, [alice.userId], 10);
      const { reached, release } = held.holdBefore(REMOVE_WATCHER);
      const ending = old.unwatchAll(bob);
      await reached;

      const resumed = await fresh.watchedBy(bob);
      release();
      await ending.catch(() => undefined);

      // Both ways of the index say the same, whatever was first.
      expect(await watchers()).toEqual(resumed.length > 0 ? ['bob'] : []);
    });

    it('brings no watch back that the next home ended', async () => {
      const { held, old, fresh, watchers } = twoHomes();
      const { reached, release } = held.holdBefore(ADD_WATCHER);
      const watching = old.watch(bob, [alice.userId], 10);
      await reached;

      await fresh.unwatchAll(bob);
      release();

      await watching;
      expect(await watchers()).toEqual([]);
    });

    it('adds nothing where it has noticed', async () => {
      let epoch: number | undefined = 4;
      const { fresh, old, watchers } = twoHomes({
        tenureOf: (...user) => {
          const tenure = epoch === undefined ? undefined : homeSince(epoch).tenureOf(...user);
          epoch = undefined;
          return tenure;
        },
      });
      await expect(old.watch(bob, [alice.userId], 10)).rejects.toMatchObject(refused);
      expect(await watchers()).toEqual([]);
      await fresh.renew(bob);
      expect(await watchers()).toEqual(['bob']);
    });
  });

  describe('› a home that dies between its two steps', () => {
    it.each<[string, (store: RedisWatchStore) => Promise<void>]>([
      ['ending the rest', (store) => store.unwatchAll(bob)],
      ['renewing', (store) => store.renew(bob)],
    ])('has what it was ending ended by the next one, %s', async (_title, goOn) => {
      const { held, old, fresh, watchers } = twoHomes();
      await old.watch(bob, [alice.userId], 10);
      const { reached } = held.holdBefore(REMOVE_WATCHER);
      void old.unwatch(bob, [alice.userId]);
      await reached;
      expect(await watchers()).toEqual(['bob']);

      await goOn(fresh);
      expect(await watchers()).toEqual([]);
    });
  });

  it('goes on watching whom it watches again before the end was noted', async () => {
    const { held, old, fresh, watchers } = twoHomes();
    await old.watch(bob, [alice.userId], 10);
    const { reached } = held.holdBefore(UNWATCHED);
    void old.unwatch(bob, [alice.userId]);
    await reached;

    await fresh.watch(bob, [alice.userId], 10);
    await fresh.renew(bob);
    await fresh.unwatch(bob, [bob.userId]);

    expect(await watchers()).toEqual(['bob']);
  });

  it('leaves nothing of a device that watches nobody, and nothing for ever', async () => {
    const keys = lab.freshKeys();
    const store = new RedisWatchStore(lab.connection, keys, homeSince(1));
    const carol = callerNamed('carol');
    await store.watch(bob, [alice.userId, carol.userId], 10);
    expect(lab.stored(keys)).toHaveLength(3);
    expect(lab.storedForEver(keys)).toEqual([]);
    await store.unwatchAll(bob);
    const names = [alice, carol].flatMap(({ userId }) => [
      keys.watchers(tenant, userId),
      keys.formerWatchers(tenant, userId),
    ]);
    expect(lab.stored(keys)).toEqual(names.map((name) => name.slice(keys.prefix.length)).sort());
    for (const name of names) {
      const left = Number(lab.server.cli('PTTL', name));
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(REMOVED_MS);
    }
  });

  it('forgets a device that watches no more when nothing of it can be under way', async () => {
    const keys = lab.freshKeys();
    const store = new RedisWatchStore(lab.connection, keys, homeSince(1));
    await store.watch(bob, [alice.userId], 10);
    await store.unwatchAll(bob);
    const [watchers, former] = [
      keys.watchers(tenant, alice.userId),
      keys.formerWatchers(tenant, alice.userId),
    ];
    expect(lab.server.cli('HLEN', watchers)).toBe('1');
    lab.server.cli('ZADD', former, '1', `${bob.userId} ${bob.deviceId}`);
    await store.watch(callerNamed('carol'), [alice.userId], 10);
    expect(lab.server.cli('HKEYS', watchers)).toMatch(/^carol [^\n]*$/);
    expect(lab.server.cli('ZCARD', former)).toBe('0');
  });
});
