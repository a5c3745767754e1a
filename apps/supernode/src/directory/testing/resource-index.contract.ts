import type { DeviceAddress } from '../../identity/caller.ts';
import { callerNamed } from '../../identity/testing/callers.ts';
import { MAX_HOLDERS_READ, type ResourceIndex } from '../resource-index.port.ts';

function addressNamed(user: string): DeviceAddress {
  const { tenant, userId, deviceId } = callerNamed(user);
  return { tenant, userId, deviceId };
}

/** What every implementation of the port must do. Times are milliseconds of one made-up clock. */
export function resourceIndexContract(make: () => ResourceIndex): void {
  const [alice, bob] = [addressNamed('alice'), addressNamed('bob')];
  const file = { tenant: alice.tenant, kind: 'file', key: 'f00d' };
  const held = (device: DeviceAddress, expiresAt: number) => ({
    device,
    attributes: { size: '1' },
    expiresAt,
  });

  it('gives the holders of a resource, the longest-lived first', async () => {
    const index = make();
    await index.announce(file, held(alice, 100_000), 10, 0);
    await index.announce(file, held(bob, 200_000), 10, 0);
    expect((await index.holders(file, 0)).map(({ device }) => device.userId)).toEqual(['bob', 'alice']);
  });

  it('ends an entry with its time-to-live and renews it by announcing again', async () => {
    const index = make();
    await index.announce(file, held(alice, 100_000), 10, 0);
    expect(await index.holders(file, 99_999)).toHaveLength(1);
    expect(await index.holders(file, 100_000)).toEqual([]);
    await index.announce(file, held(alice, 300_000), 10, 0);
    expect(await index.holders(file, 200_000)).toEqual([held(alice, 300_000)]);
  });

  it('bounds what one device offers, but not its renewals', async () => {
    const index = make();
    expect(await index.announce(file, held(alice, 100_000), 1, 0)).toBe(true);
    expect(await index.announce({ ...file, key: 'beef' }, held(alice, 100_000), 1, 0)).toBe(false);
    expect(await index.announce(file, held(alice, 200_000), 1, 0)).toBe(true);
  });

  it('frees the place of what expired', async () => {
    const index = make();
    await index.announce(file, held(alice, 100_000), 1, 0);
    const beef = { ...file, key: 'beef' };
    expect(await index.announce(beef, held(alice, 200_000), 1, 99_999)).toBe(false);
    expect(await index.announce(beef, held(alice, 200_000), 1, 100_000)).toBe(true);
  });

  it('withdraws one resource, or all of a device', async () => {
    const index = make();
    await index.announce(file, held(alice, 100_000), 10, 0);
    await index.announce({ ...file, key: 'beef' }, held(alice, 100_000), 10, 0);
    await index.withdraw(file, alice);
    expect(await index.holders(file, 0)).toEqual([]);
    await index.withdrawAll(alice);
    expect(await index.holders({ ...file, key: 'beef' }, 0)).toEqual([]);
  });

  it('gives a part of very many holders', async () => {
    const index = make();
    const users = Array.from({ length: MAX_HOLDERS_READ + 1 }, (_, n) => addressNamed(`user-${n}`));
    await Promise.all(users.map((user, n) => index.announce(file, held(user, 100_000 + n), 10, 0)));
    const holders = await index.holders(file, 0);
    expect(holders).toHaveLength(MAX_HOLDERS_READ);
    expect(holders[0]?.expiresAt).toBe(100_000 + MAX_HOLDERS_READ);
  });

  it('keeps tenants apart', async () => {
    const index = make();
    await index.announce(file, held(alice, 100_000), 10, 0);
    expect(await index.holders({ ...file, tenant: 'other' as typeof file.tenant }, 0)).toEqual([]);
  });
}
