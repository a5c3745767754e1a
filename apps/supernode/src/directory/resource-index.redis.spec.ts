import { describe, expect, it } from '@jest/globals';
import { BackgroundTasks } from '../background-tasks.ts';
import { systemClock } from '../clock/system-clock.ts';
import { systemScheduler } from '../clock/system-scheduler.ts';
import type { Ownership } from '../cluster/ownership.port.ts';
import { slotOf } from '../cluster/slot.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { REMOVED_MS } from '../redis/member-fence.ts';
import { describeRedis } from '../redis/testing/describe-redis.ts';
import { HeldCommands } from '../redis/testing/held-commands.ts';
import { passInRedis } from '../redis/testing/redis-pass.ts';
import { HomeOffers } from './home-offers.service.ts';
import { RedisResourceIndex } from './resource-index.redis.ts';
import { ADD_HOLDER, REMOVE_HOLDER } from './resource-scripts.ts';
import { resourceIndexContract } from './testing/resource-index.contract.ts';

const homeSince = (epoch: number): Pick<Ownership, 'tenureOf'> => ({
  tenureOf: (tenant, userId) => ({ slot: slotOf(tenant, userId), epoch }),
});
const { tenant, userId, deviceId } = callerNamed('alice');
const alice = { tenant, userId, deviceId };
const file = { tenant, kind: 'file', key: 'f00d' };
const held = (attributes: Record<string, string> = {}) => ({ device: alice, attributes, ttlMs: 60_000 });
const refused = { code: 'SN_NOT_OWNER' };

describeRedis('RedisResourceIndex', (lab) => {
  resourceIndexContract(() => {
    const keys = lab.freshKeys();
    return {
      index: new RedisResourceIndex(lab.connection, keys, homeSince(1)),
      pass: (milliseconds) => passInRedis(lab.connection, keys.offeredBy(alice), milliseconds),
    };
  });

  /** Two homes of alice, one after the other, of which the first can be stopped. */
  function twoHomes(oldHome = homeSince(4)) {
    const keys = lab.freshKeys();
    const commands = new HeldCommands(lab.connection);
    const old = new RedisResourceIndex(commands, keys, oldHome);
    const fresh = new RedisResourceIndex(lab.connection, keys, homeSince(5));
    const found = async () => (await fresh.holders(file)).map(({ attributes }) => attributes);
    return { keys, commands, old, fresh, found };
  }

  it('takes nothing from an owner that was outranked', async () => {
    const { old, fresh, found } = twoHomes();
    await fresh.announce(file, held({ by: 'fresh' }), 10);
    await expect(old.announce(file, held(), 10)).rejects.toMatchObject(refused);
    await expect(old.withdraw(file, alice)).rejects.toMatchObject(refused);
    await expect(old.withdrawAll(alice)).rejects.toMatchObject(refused);
    expect(await found()).toEqual([{ by: 'fresh' }]);
  });

  describe('› a home that is outranked between its two steps', () => {
    it.each<[string, (index: RedisResourceIndex) => Promise<void>]>([
      ['one resource', (index) => index.withdraw(file, alice)],
      ['all of a device', (index) => index.withdrawAll(alice)],
    ])('and was withdrawing %s takes none from the next home', async (_title, end) => {
      const { commands, old, fresh, found } = twoHomes();
      await old.announce(file, held(), 10);
      const { reached, release } = commands.holdBefore(REMOVE_HOLDER);
      const ending = end(old);
      await reached;

      await fresh.announce(file, held({ by: 'fresh' }), 10);
      release();

      await expect(ending).rejects.toMatchObject(refused);
      expect(await found()).toEqual([{ by: 'fresh' }]);
      expect(await fresh.offersOf(alice)).toHaveLength(1);
    });

    it('brings nothing back that the next home withdrew, and changes nothing that it announced', async () => {
      for (const [then, expected] of [
        [(fresh: RedisResourceIndex) => fresh.withdrawAll(alice), []],
        [(fresh: RedisResourceIndex) => fresh.announce(file, held({ by: 'fresh' }), 10), [{ by: 'fresh' }]],
      ] as const) {
        const { commands, old, fresh, found } = twoHomes();
        const { reached, release } = commands.holdBefore(ADD_HOLDER);
        const announcing = old.announce(file, held({ by: 'old' }), 10);
        await reached;

        await then(fresh);
        release();

        await announcing;
        expect(await found()).toEqual(expected);
      }
    });

    it('adds nothing where it has noticed', async () => {
      let epoch: number | undefined = 4;
      const { old, found } = twoHomes({
        tenureOf: (...user) => {
          const tenure = epoch === undefined ? undefined : homeSince(epoch).tenureOf(...user);
          epoch = undefined;
          return tenure;
        },
      });
      await expect(old.announce(file, held(), 10)).rejects.toMatchObject(refused);
      expect(await found()).toEqual([]);
    });
  });

  it('has what a home was withdrawing when it died withdrawn by the next one', async () => {
    const { commands, old, fresh, found } = twoHomes();
    await old.announce(file, held(), 10);
    const { reached } = commands.holdBefore(REMOVE_HOLDER);
    void old.withdraw(file, alice);
    await reached;
    expect(await found()).toHaveLength(1);

    await fresh.withdrawAll(alice);
    expect(await found()).toEqual([]);
  });

  it('leaves nothing when all is withdrawn, and nothing for ever', async () => {
    const keys = lab.freshKeys();
    const index = new RedisResourceIndex(lab.connection, keys, homeSince(1));
    for (const key of ['one', 'two', 'three']) await index.announce({ ...file, key }, held(), 10);
    expect(lab.stored(keys)).toHaveLength(7);
    expect(lab.storedForEver(keys)).toEqual([]);
    await index.withdraw({ ...file, key: 'one' }, alice);
    await index.withdrawAll(alice);
    const names = ['one', 'two', 'three'].flatMap((key) => {
      const resource = [tenant, file.kind, key].join('\u0000');
      return [keys.holderFacts(resource), keys.formerHolders(resource)];
    });
    expect(lab.stored(keys)).toEqual(names.map((name) => name.slice(keys.prefix.length)).sort());
    for (const name of names) {
      const left = Number(lab.server.cli('PTTL', name));
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(REMOVED_MS);
    }
  });

  it('gets again what devices announced when Redis was emptied', async () => {
    const keys = lab.freshKeys();
    const index = new RedisResourceIndex(lab.connection, keys, homeSince(4));
    const offers = new HomeOffers(
      ...([index, { connection: lab.connection, keys }, systemClock, systemScheduler] as const),
      new BackgroundTasks(),
    );
    offers.onModuleInit();
    await offers.announce(file, alice, { size: '1' }, 60_000);
    const again = new Promise<boolean>((resolve) => {
      const announce = index.announce.bind(index);
      index.announce = async (...args) => {
        const isWithin = await announce(...args);
        resolve(isWithin);
        return isWithin;
      };
    });

    await lab.loseAll();
    expect(await again).toBe(true);

    expect(await index.holders(file)).toMatchObject([{ device: alice, attributes: { size: '1' } }]);
    const outranked = new RedisResourceIndex(lab.connection, keys, homeSince(3));
    await expect(outranked.withdrawAll(alice)).rejects.toMatchObject(refused);
    offers.onModuleDestroy();
  }, 30_000);
});
