import { expect, it } from '@jest/globals';
import type { DeviceAddress } from '../../identity/caller.ts';
import { callerNamed } from '../../identity/testing/callers.ts';
import { MAX_HOLDERS_READ, type ResourceIndex } from '../resource-index.port.ts';

export interface ResourceIndexLab {
  readonly index: ResourceIndex;
  /** Time passes for what is offered. */
  pass(milliseconds: number): Promise<void>;
}

/** Is over soon. */
const SHORT = 200;
/** Is not over while a test runs. */
const LONG = 600_000;

function addressNamed(user: string): DeviceAddress {
  const { tenant, userId, deviceId } = callerNamed(user);
  return { tenant, userId, deviceId };
}

/** What every implementation of the port must do. */
export function resourceIndexContract(make: () => ResourceIndexLab): void {
  const [alice, bob] = [addressNamed('alice'), addressNamed('bob')];
  const file = { tenant: alice.tenant, kind: 'file', key: 'f00d' };
  const beef = { ...file, key: 'beef\u0000or else' };
  const held = (device: DeviceAddress, ttlMs: number) => ({ device, attributes: { size: '1' }, ttlMs });

  it('gives the holders of a resource, the longest-lived first', async () => {
    const { index, pass } = make();
    await index.announce(file, held(alice, LONG), 10);
    await index.announce(file, held(bob, 2 * LONG), 10);
    await pass(5);
    const [first, second, ...others] = await index.holders(file);
    expect([first?.device, second?.device, others]).toEqual([bob, alice, []]);
    expect(second?.attributes).toEqual({ size: '1' });
    expect(second?.ttlMs).toBeGreaterThan(LONG / 2);
    expect(second?.ttlMs).toBeLessThan(LONG);
  });

  it('gives what is left in whole milliseconds, though clocks have fractions', async () => {
    const { index, pass } = make();
    await index.announce(file, held(alice, LONG), 10);
    await pass(5.25);
    const left = [...(await index.holders(file)), ...(await index.offersOf(alice))];
    expect(left.map(({ ttlMs }) => Number.isSafeInteger(ttlMs))).toEqual([true, true]);
  });

  it('ends an entry with its time-to-live and renews it by announcing again', async () => {
    const { index, pass } = make();
    await index.announce(file, held(bob, LONG), 10);
    await index.announce(file, held(alice, SHORT), 10);
    await pass(SHORT);
    expect((await index.holders(file)).map(({ device }) => device)).toEqual([bob]);
    expect(await index.offersOf(alice)).toEqual([]);
    await index.announce(file, held(alice, SHORT), 10);
    await index.announce(file, held(alice, LONG), 10);
    await pass(SHORT);
    await index.expire();
    expect(await index.holders(file)).toHaveLength(2);
  });

  it('bounds what one device offers, but not its renewals', async () => {
    const { index } = make();
    expect(await index.announce(file, held(alice, LONG), 1)).toBe(true);
    expect(await index.announce(beef, held(alice, LONG), 1)).toBe(false);
    expect(await index.announce(file, held(alice, LONG), 1)).toBe(true);
  });

  it('frees the place of what expired', async () => {
    const { index, pass } = make();
    await index.announce(file, held(alice, SHORT), 1);
    await pass(SHORT);
    expect(await index.announce(beef, held(alice, LONG), 1)).toBe(true);
  });

  it('knows what a device offers', async () => {
    const { index, pass } = make();
    expect(await index.offersOf(alice)).toEqual([]);
    await index.announce(file, held(alice, LONG), 10);
    await index.announce(beef, held(alice, 2 * LONG), 10);
    await index.announce(file, held(bob, LONG), 10);
    await pass(5);
    const offers = await index.offersOf(alice);
    expect(new Map(offers.map(({ name, attributes }) => [name.key, { name, attributes }]))).toEqual(
      new Map([file, beef].map((name) => [name.key, { name, attributes: { size: '1' } }])),
    );
    for (const { name, ttlMs } of offers) {
      expect(ttlMs).toBeLessThan(name.key === file.key ? LONG : 2 * LONG);
      expect(ttlMs).toBeGreaterThan(LONG / 2);
    }
  });

  it('withdraws one resource, or all of a device', async () => {
    const { index } = make();
    await index.announce(file, held(alice, LONG), 10);
    await index.announce(beef, held(alice, LONG), 10);
    await index.withdraw(file, alice);
    expect(await index.holders(file)).toEqual([]);
    expect((await index.offersOf(alice)).map(({ name }) => name)).toEqual([beef]);
    await index.withdrawAll(alice);
    expect(await index.holders(beef)).toEqual([]);
    expect(await index.offersOf(alice)).toEqual([]);
  });

  it('offers again what was withdrawn', async () => {
    const { index } = make();
    await index.announce(file, held(alice, LONG), 10);
    await index.withdraw(file, alice);
    await index.announce(file, held(alice, LONG), 10);
    expect(await index.holders(file)).toHaveLength(1);
  });

  it('gives a part of very many holders', async () => {
    const { index } = make();
    const users = Array.from({ length: MAX_HOLDERS_READ + 1 }, (_, n) => addressNamed(`user-${n}`));
    await Promise.all(users.map((user, n) => index.announce(file, held(user, LONG + n * 10_000), 10)));
    const holders = await index.holders(file);
    expect(holders).toHaveLength(MAX_HOLDERS_READ);
    expect(holders[0]?.device).toEqual(users.at(-1));
  });

  it('keeps tenants apart', async () => {
    const { index } = make();
    await index.announce(file, held(alice, LONG), 10);
    expect(await index.holders({ ...file, tenant: 'other' as typeof file.tenant })).toEqual([]);
  });
}
