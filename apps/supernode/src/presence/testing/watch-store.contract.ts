import { callerNamed } from '../../identity/testing/callers.ts';
import type { WatchStore } from '../presence-store.port.ts';

/** What every implementation of the port must do. */
export function watchStoreContract(make: () => WatchStore): void {
  const alice = callerNamed('alice');
  const [bob, carol] = [callerNamed('bob'), callerNamed('carol')];
  const watcherOf = ({ userId, deviceId }: typeof alice) => ({ userId, deviceId });

  it('knows the devices that watch a user', async () => {
    const store = make();
    await store.watch(bob, [alice.userId], 10);
    await store.watch(carol, [alice.userId], 10);
    const watchers = await store.watchersOf(alice.tenant, alice.userId);
    expect([...watchers].sort((a, b) => (a.userId < b.userId ? -1 : 1))).toEqual([
      watcherOf(bob),
      watcherOf(carol),
    ]);
  });

  it('knows whom a device watches', async () => {
    const store = make();
    await store.watch(bob, [alice.userId, carol.userId], 10);
    await store.unwatch(bob, [carol.userId]);
    expect(await store.watchedBy(bob)).toEqual([alice.userId]);
    expect(await store.watchedBy(carol)).toEqual([]);
  });

  it('counts a user once however often it is watched', async () => {
    const store = make();
    expect(await store.watch(bob, [alice.userId], 1)).toBe(true);
    expect(await store.watch(bob, [alice.userId], 1)).toBe(true);
  });

  it('refuses what is above the limit and adds none of it', async () => {
    const store = make();
    expect(await store.watch(bob, [alice.userId, carol.userId], 1)).toBe(false);
    expect(await store.watchersOf(alice.tenant, alice.userId)).toEqual([]);
  });

  it('forgets one watch or all of a device', async () => {
    const store = make();
    await store.watch(bob, [alice.userId, carol.userId], 10);
    await store.unwatch(bob, [alice.userId]);
    expect(await store.watchersOf(alice.tenant, alice.userId)).toEqual([]);
    expect(await store.watchersOf(alice.tenant, carol.userId)).toEqual([watcherOf(bob)]);
    await store.unwatchAll(bob);
    expect(await store.watchersOf(alice.tenant, carol.userId)).toEqual([]);
  });
}
