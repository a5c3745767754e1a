import { beforeEach, describe, expect, it } from '@jest/globals';
import { LIMITS } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { presenceWorld } from '../presence/testing/presence-world.ts';
import type { SharedState } from '../redis/redis.module.ts';
import { HomeOffers } from './home-offers.service.ts';
import { ResourceIndexService } from './resource-index.service.ts';
import { EmptiedIndex } from './testing/emptied-index.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');
const file = { tenant: alice.tenant, kind: 'file', key: 'f00d' };
const LONG = LIMITS.maxResourceTtlMs;

describe('HomeOffers', () => {
  let time: ManualTime;
  let index: EmptiedIndex;
  let background: BackgroundTasks;
  let offers: HomeOffers;

  const home = () => {
    const made = new HomeOffers(index, index as unknown as SharedState, time, time, background);
    made.onModuleInit();
    return made;
  };
  const holders = async () => (await index.holders(file)).map(({ device }) => device.userId);

  beforeEach(() => {
    time = new ManualTime();
    index = new EmptiedIndex(time);
    background = new BackgroundTasks();
    offers = home();
  });

  it('announces again what a store lost, for the time that is left', async () => {
    for (let n = 0; n < 100; n += 1) {
      await offers.announce(file, callerNamed(`user-${n}`), { size: String(n) }, LONG);
    }
    await offers.announce({ ...file, key: 'short' }, alice, {}, 5000);
    await time.advance(10_000);
    index.announced = 0;

    index.loseAll();
    await settled();

    const found = await index.holders(file);
    expect(found).toHaveLength(100);
    expect(new Set(found.map(({ attributes }) => attributes['size'])).size).toBe(100);
    expect(new Set(found.map(({ ttlMs }) => ttlMs))).toEqual(new Set([LONG - 10_000]));
    expect(await index.holders({ ...file, key: 'short' })).toEqual([]);
    expect(index.announced).toBe(100);
    expect(time.pendingTimers).toBe(0);
  });

  it('goes on when the store went away again, or this supernode may not act for a moment', async () => {
    await offers.announce(file, alice, {}, LONG);
    index.isAway = true;
    index.loseAll();
    await time.advance(1500);
    index.isAway = false;
    index.isElsewhere = true;
    await time.advance(1000);
    index.isElsewhere = false;
    expect(await holders()).toEqual([]);
    await time.advance(1000);
    expect(await holders()).toEqual(['alice']);
    expect(background.failures).toBe(0);
    expect(time.pendingTimers).toBe(0);
  });

  it('announces nothing of what was withdrawn, is gone, moved, or was refused', async () => {
    for (const device of [alice, bob]) await offers.announce(file, device, {}, LONG);
    const carol = callerNamed('carol');
    await offers.announce(file, carol, {}, LONG);
    await offers.withdraw(file, alice);
    await offers.withdrawAll(bob);
    await offers.moved(carol);
    const dave = callerNamed('dave');
    for (let n = 0; n <= LIMITS.maxResourcesPerDevice; n += 1) {
      expect(await offers.announce({ ...file, key: String(n) }, dave, {}, LONG)).toBe(
        n < LIMITS.maxResourcesPerDevice,
      );
    }
    await offers.withdrawAll(dave);
    index.announced = 0;

    index.loseAll();
    await settled();
    expect(index.announced).toBe(0);
  });

  it('withdraws what a device offered that went while the store was away, and not what it offers since', async () => {
    for (const device of [alice, bob]) await offers.announce(file, device, {}, LONG);
    index.isAway = true;
    for (const device of [alice, bob]) await offers.withdrawAll(device);
    await time.advance(5000);
    index.isAway = false;
    const beef = { ...file, key: 'beef' };
    await offers.announce(beef, bob, {}, LONG);
    expect(await holders()).toEqual(['alice']);
    await time.advance(1000);
    expect(await holders()).toEqual([]);
    expect(await index.holders(beef)).toHaveLength(1);
    expect(background.failures).toBe(0);
    expect(time.pendingTimers).toBe(0);
  });

  it('knows what a device offers that came from another home', async () => {
    await offers.announce(file, alice, { size: '1' }, LONG);
    const next = home();
    await offers.moved(alice);
    await next.resumed(alice);
    index.loseAll();
    await settled();
    expect((await index.holders(file)).map(({ attributes }) => attributes)).toEqual([{ size: '1' }]);
  });
});

describe('ResourceIndexService', () => {
  it('finds what devices announced before the store lost it', async () => {
    const world = presenceWorld();
    const { time, views, background } = world;
    const index = new EmptiedIndex(time);
    const homes = [1, 2].map(() => {
      const offers = new HomeOffers(index, index as unknown as SharedState, time, time, background);
      offers.onModuleInit();
      return new ResourceIndexService(index, offers, time, time, views, background);
    });
    const [first, second] = homes as [ResourceIndexService, ResourceIndexService];
    world.contacts.befriend(alice.tenant, alice.userId, bob.userId);
    for (const user of [alice, bob]) await world.signIn(user);
    const { expiresAt } = await first.announce(alice, { kind: 'file', key: 'f00d', ttlMs: LONG });

    await first.deviceMoved(alice);
    second.deviceReachable(alice, 'resumed');
    await settled();
    index.loseAll();
    await time.advance(10);

    const { holders } = await first.find(bob, { kind: 'file', key: 'f00d' });
    expect(holders).toMatchObject([{ userId: 'alice', expiresAt }]);
    await second.deviceGone(alice);
    index.loseAll();
    await settled();
    expect((await first.find(bob, { kind: 'file', key: 'f00d' })).holders).toEqual([]);
  });
});
