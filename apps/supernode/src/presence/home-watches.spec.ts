import { beforeEach, describe, expect, it } from '@jest/globals';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { SupernodeError } from '../errors.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import type { SharedState } from '../redis/redis.module.ts';
import { HomeWatches } from './home-watches.service.ts';
import { MemoryWatchStore } from './watch-store.memory.ts';

const alice = callerNamed('alice');
const bob = callerNamed('bob');

/** A store whose answers to `watch` take their time, and that may go away. */
class SlowStore extends MemoryWatchStore {
  answer: () => void = () => undefined;
  isAway = false;

  override async watch(...args: Parameters<MemoryWatchStore['watch']>): Promise<boolean> {
    const isWithin = await super.watch(...args);
    await new Promise<void>((resolve) => (this.answer = resolve));
    return isWithin;
  }

  override watchersOf(...args: Parameters<MemoryWatchStore['watchersOf']>) {
    if (this.isAway) return Promise.reject(new SupernodeError('SN_REDIS_UNREACHABLE', 'away'));
    return super.watchersOf(...args);
  }
}

describe('HomeWatches', () => {
  let store: SlowStore;
  let watches: HomeWatches;

  beforeEach(() => {
    store = new SlowStore();
    watches = new HomeWatches(store, {} as SharedState, new BackgroundTasks(), new ManualTime());
  });

  it.each<[string, () => Promise<void>]>([
    ['watches one no more', () => watches.unwatch(alice, [bob.userId])],
    ['is gone', () => watches.unwatchAll(alice)],
    ['has another home', () => watches.moved(alice)],
  ])('keeps nothing here of a device that %s before the store has answered', async (_title, end) => {
    const watching = watches.watch(alice, [bob.userId], 10);
    await settled();
    const ended = end();
    await settled();
    store.answer();
    await Promise.all([watching, ended]);

    store.isAway = true;
    expect(await watches.watchersOf(bob.tenant, bob.userId)).toEqual([]);
  });
});
