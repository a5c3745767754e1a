import { callerNamed } from '../../identity/testing/callers.ts';
import type { DevicePresence, PresenceStore } from '../presence-store.port.ts';

const presence = (
  user: string,
  device: string,
  counter: number,
  over: Partial<DevicePresence> = {},
): DevicePresence => ({
  device: callerNamed(user, device),
  state: 'online',
  present: true,
  statusText: null,
  setAt: 0,
  reachable: true,
  resumableUntil: null,
  version: { epoch: 1, counter },
  asOf: 0,
  ...over,
});

/** What every implementation of the port must do. */
export function presenceStoreContract(make: () => PresenceStore): void {
  const { tenant, userId } = callerNamed('alice');

  it('keeps each device of a user', async () => {
    const store = make();
    await store.put(presence('alice', 'phone', 1));
    await store.put(presence('alice', 'laptop', 1));
    expect(await store.devicesOf(tenant, userId)).toHaveLength(2);
  });

  it.each([
    ['an older counter', { epoch: 1, counter: 4 }, false],
    ['the same version', { epoch: 1, counter: 5 }, false],
    ['an older epoch', { epoch: 0, counter: 9 }, false],
    ['a newer counter', { epoch: 1, counter: 6 }, true],
    ['a newer epoch', { epoch: 2, counter: 0 }, true],
  ])('lets the last writer win against %s', async (_name, version, isTaken) => {
    const store = make();
    await store.put(presence('alice', 'phone', 5));
    expect(await store.put(presence('alice', 'phone', 0, { version, state: 'busy' }))).toBe(isTaken);
    const [stored] = await store.devicesOf(tenant, userId);
    expect(stored?.state).toBe(isTaken ? 'busy' : 'online');
  });

  it('forgets a removed device and a user without devices', async () => {
    const store = make();
    await store.put(presence('alice', 'phone', 1));
    await store.remove(callerNamed('alice', 'phone'));
    expect(await store.devicesOf(tenant, userId)).toEqual([]);
    expect(await store.users({ tenant, limit: 10 })).toEqual([]);
  });

  it('pages over the users of one tenant in the order of their ids', async () => {
    const store = make();
    for (const user of ['carol', 'alice', 'bob']) await store.put(presence(user, 'phone', 1));
    const foreign = callerNamed('dave', 'phone', 'other' as typeof tenant);
    await store.put({ ...presence('dave', 'phone', 1), device: foreign });
    const first = await store.users({ tenant, limit: 2 });
    expect(first).toEqual(['alice', 'bob']);
    expect(await store.users({ tenant, limit: 2, after: first[1]! })).toEqual(['carol']);
  });
}
