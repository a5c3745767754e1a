import { callerNamed } from '../../identity/testing/callers.ts';
import type { ResourceIndex } from '../resource-index.port.ts';

/** What every implementation of the port must do. Times are milliseconds of one made-up clock. */
export function resourceIndexContract(make: () => ResourceIndex): void {
  const alice = callerNamed('alice');
  const bob = callerNamed('bob');
  const file = { tenant: alice.tenant, kind: 'file', key: 'f00d' };
  const held = (device: typeof alice, expiresAt: number) => ({
    device,
    attributes: { size: '1' },
    expiresAt,
  });

  it('gives the holders of a resource, the longest-lived first', async () => {
    const index = make();
    await index.announce(file, held(alice, 100), 10);
    await index.announce(file, held(bob, 200), 10);
    expect((await index.holders(file, 0)).map(({ device }) => device.userId)).toEqual(['bob', 'alice']);
  });

  it('ends an entry with its time-to-live and renews it by announcing again', async () => {
    const index = make();
    await index.announce(file, held(alice, 100), 10);
    expect(await index.holders(file, 99)).toHaveLength(1);
    expect(await index.holders(file, 100)).toEqual([]);
    await index.announce(file, held(alice, 300), 10);
    expect(await index.holders(file, 200)).toHaveLength(1);
  });

  it('bounds what one device offers, but not its renewals', async () => {
    const index = make();
    expect(await index.announce(file, held(alice, 100), 1)).toBe(true);
    expect(await index.announce({ ...file, key: 'beef' }, held(alice, 100), 1)).toBe(false);
    expect(await index.announce(file, held(alice, 200), 1)).toBe(true);
  });

  it('frees the place of what expired', async () => {
    const index = make();
    await index.announce(file, held(alice, 100), 1);
    await index.expire(100);
    expect(await index.announce({ ...file, key: 'beef' }, held(alice, 200), 1)).toBe(true);
  });

  it('withdraws one resource, or all of a device', async () => {
    const index = make();
    await index.announce(file, held(alice, 100), 10);
    await index.announce({ ...file, key: 'beef' }, held(alice, 100), 10);
    await index.withdraw(file, alice);
    expect(await index.holders(file, 0)).toEqual([]);
    await index.withdrawAll(alice);
    expect(await index.holders({ ...file, key: 'beef' }, 0)).toEqual([]);
  });

  it('keeps tenants apart', async () => {
    const index = make();
    await index.announce(file, held(alice, 100), 10);
    expect(await index.holders({ ...file, tenant: 'other' as typeof file.tenant }, 0)).toEqual([]);
  });
}
