import type { Ownership } from '../../cluster/ownership.port.ts';
import { slotOf } from '../../cluster/slot.ts';
import type { DeviceAddress } from '../../identity/caller.ts';
import { callerNamed } from '../../identity/testing/callers.ts';
import { compareVersions, type DevicePresence, type PresenceStore } from '../presence-store.port.ts';

type HomeOf = Pick<Ownership, 'tenureOf'>;

/** Home of everybody in epoch 1. */
const home: HomeOf = { tenureOf: (tenant, userId) => ({ slot: slotOf(tenant, userId), epoch: 1 }) };

const addressOf = ({ tenant, userId, deviceId }: DeviceAddress): DeviceAddress => ({
  tenant,
  userId,
  deviceId,
});

export const presenceOf = (
  user: string,
  device: string,
  over: Partial<DevicePresence> = {},
): DevicePresence => ({
  device: addressOf(callerNamed(user, device)),
  state: 'online',
  present: true,
  statusText: null,
  setAt: 0,
  reachable: true,
  resumableUntil: null,
  asOf: 0,
  ...over,
});

/** What every implementation of the port must do. */
export function presenceStoreContract(make: (ownership: HomeOf) => PresenceStore): void {
  const { tenant, userId } = callerNamed('alice');

  it('keeps each device of a user', async () => {
    const store = make(home);
    await store.put(presenceOf('alice', 'phone'));
    await store.put(presenceOf('alice', 'laptop'));
    expect(await store.devicesOf(tenant, userId)).toHaveLength(2);
  });

  it('replaces what a device had before', async () => {
    const store = make(home);
    await store.put(presenceOf('alice', 'phone'));
    await store.put(presenceOf('alice', 'phone', { state: 'busy', statusText: 'in a call', asOf: 7 }));
    expect(await store.devicesOf(tenant, userId)).toEqual([
      presenceOf('alice', 'phone', { state: 'busy', statusText: 'in a call', asOf: 7 }),
    ]);
  });

  it('reads versions that grow with every write, a removal included, and never fall', async () => {
    const store = make(home);
    const version = async () => (await store.read(tenant, userId)).version;
    const versions = [await version()];
    for (let round = 0; round < 3; round += 1) {
      await store.put(presenceOf('alice', 'phone'));
      versions.push(await version());
      await store.remove(callerNamed('alice', 'phone'));
      versions.push(await version());
    }
    for (const [index, later] of versions.slice(1).entries()) {
      expect(compareVersions(versions[index]!, later)).toBeLessThan(0);
    }
    expect(versions.at(-1)?.epoch).toBe(1);
  });

  it('refuses to write for a user whose home is elsewhere', async () => {
    const store = make({ tenureOf: () => undefined });
    await expect(store.put(presenceOf('alice', 'phone'))).rejects.toMatchObject({ code: 'SN_NOT_OWNER' });
    await expect(store.remove(callerNamed('alice', 'phone'))).rejects.toMatchObject({ code: 'SN_NOT_OWNER' });
    expect(await store.devicesOf(tenant, userId)).toEqual([]);
  });

  it('names the users of a slot', async () => {
    const store = make(home);
    for (const device of ['phone', 'laptop']) await store.put(presenceOf('alice', device));
    await store.put(presenceOf('bob', 'phone'));
    expect(await store.usersOfSlot(slotOf(tenant, userId))).toEqual([{ tenant, userId }]);
    await store.remove(callerNamed('alice', 'phone'));
    expect(await store.usersOfSlot(slotOf(tenant, userId))).toEqual([{ tenant, userId }]);
    await store.remove(callerNamed('alice', 'laptop'));
    expect(await store.usersOfSlot(slotOf(tenant, userId))).toEqual([]);
  });

  it('forgets a removed device and a user without devices', async () => {
    const store = make(home);
    await store.put(presenceOf('alice', 'phone'));
    await store.remove(callerNamed('alice', 'phone'));
    expect(await store.devicesOf(tenant, userId)).toEqual([]);
    expect(await store.users({ tenant, limit: 10 })).toEqual([]);
  });

  it('pages over the users of one tenant in the order of their ids', async () => {
    const store = make(home);
    for (const user of ['carol', 'alice', 'bob']) await store.put(presenceOf(user, 'phone'));
    const foreign = callerNamed('dave', 'phone', 'other' as typeof tenant);
    await store.put({ ...presenceOf('dave', 'phone'), device: foreign });
    const first = await store.users({ tenant, limit: 2 });
    expect(first).toEqual(['alice', 'bob']);
    expect(await store.users({ tenant, limit: 2, after: first[1]! })).toEqual(['carol']);
  });
}
