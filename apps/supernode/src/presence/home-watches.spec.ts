import { beforeEach, describe, expect, it } from '@jest/globals';
import { LIMITS, type UserId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { SupernodeError } from '../errors.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { Metrics } from '../observability/metrics.ts';
import type { SharedState } from '../redis/redis.module.ts';
import { HomeWatches } from './home-watches.service.ts';
import { MemoryWatchStore } from './watch-store.memory.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');

const away = () => new SupernodeError('SN_REDIS_UNREACHABLE', 'away');

/** A store that takes its time, and that may go away. */
class SlowStore extends MemoryWatchStore {
  answer: () => void = () => undefined;
  isSlow = false;
  isAway = false;

  override async watch(...args: Parameters<MemoryWatchStore['watch']>): Promise<boolean> {
    if (this.isAway) throw away();
    const isWithin = await super.watch(...args);
    if (this.isSlow) await new Promise<void>((resolve) => (this.answer = resolve));
    return isWithin;
  }

  override async watchedBy(...args: Parameters<MemoryWatchStore['watchedBy']>): Promise<readonly UserId[]> {
    if (this.isAway) throw away();
    const watched = await super.watchedBy(...args);
    if (this.isSlow) await new Promise<void>((resolve) => (this.answer = resolve));
    return watched;
  }

  /** As Redis does it: what is watched is read first, then written again. */
  override async renew(watcher: DeviceAddress): Promise<void> {
    await super.watch(watcher, await this.watchedBy(watcher), 10);
  }

  override watchersOf(...args: Parameters<MemoryWatchStore['watchersOf']>) {
    if (this.isAway) return Promise.reject(away());
    return super.watchersOf(...args);
  }
}

describe('HomeWatches', () => {
  let store: SlowStore;
  let watches: HomeWatches;
  let time: ManualTime;
  let metrics: Metrics;

  beforeEach(() => {
    store = new SlowStore();
    time = new ManualTime();
    metrics = new Metrics({ withProcess: false });
    watches = new HomeWatches(store, {} as SharedState, new BackgroundTasks(), time, metrics);
  });

  it.each<[string, () => Promise<void>]>([
    ['watches one no more', () => watches.unwatch(alice, [bob.userId])],
    ['is gone', () => watches.unwatchAll(alice)],
    ['has another home', () => watches.moved(alice)],
  ])('keeps nothing here of a device that %s before the store has answered', async (_title, end) => {
    store.isSlow = true;
    const watching = watches.watch(alice, [bob.userId], 10);
    await settled();
    const ended = end();
    await settled();
    store.answer();
    await Promise.all([watching, ended]);

    store.isAway = true;
    expect(await watches.watchersOf(bob.tenant, bob.userId)).toEqual([]);
  });

  it('ends no watch for good that is renewed at the same time', async () => {
    await watches.watch(alice, [bob.userId], 10);
    store.isSlow = true;
    const renewing = watches.renew(alice);
    await settled();
    store.answer();
    await settled();
    const ending = watches.unwatch(alice, [bob.userId]);
    await settled();
    store.answer();
    await Promise.all([renewing, ending]);

    expect(await store.watchersOf(bob.tenant, bob.userId)).toEqual([]);
  });

  it('gives up what was watched while the store was away and has no place there, and counts it', async () => {
    const stored = Array.from(
      { length: LIMITS.maxSubscriptionsPerDevice - 1 },
      (_, n) => callerNamed(`user-${n}`).userId,
    );
    await store.watch(alice, stored, LIMITS.maxSubscriptionsPerDevice);
    store.isAway = true;
    await watches.resumed(alice);
    const [carol, dave] = [callerNamed('carol').userId, callerNamed('dave').userId];
    expect(await watches.watch(alice, [bob.userId, carol, dave], LIMITS.maxSubscriptionsPerDevice)).toBe(
      true,
    );

    store.isAway = false;
    await time.advance(1000);

    expect(await store.watchersOf(alice.tenant, bob.userId)).toHaveLength(1);
    expect(await store.watchersOf(alice.tenant, dave)).toEqual([]);
    expect((await metrics.exposition()).body).toContain(
      'parley_drops_total{component="presence",reason="watches-over-limit"} 2',
    );
    store.isAway = true;
    expect(await watches.watchersOf(alice.tenant, bob.userId)).toHaveLength(1);
    expect(await watches.watchersOf(alice.tenant, dave)).toEqual([]);
  });
});
