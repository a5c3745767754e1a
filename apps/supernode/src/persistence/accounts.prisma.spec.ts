import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { handleSchema, tenantIdSchema, userIdSchema, type TenantId } from '@parley/protocol';
import {
  verifyDeviceList,
  type KnownDeviceList,
  type VerifiedDeviceList,
} from '../identity/device-list-chain.ts';
import { SigningAccount, SigningDevice, type SigningKey } from '../identity/testing/signing-device.ts';
import { PrismaAccountStore } from './accounts.prisma.ts';
import { openTestDatabase, type TestDatabase } from './testing/test-database.ts';

const NOTHING = { handle: undefined, displayName: undefined };

let database: TestDatabase;
let store: PrismaAccountStore;
beforeAll(async () => {
  database = await openTestDatabase();
  store = new PrismaAccountStore(database.prisma);
}, 60_000);
afterAll(() => database.close());

async function newTenant(): Promise<TenantId> {
  return tenantIdSchema.parse(await database.newTenant());
}

/** The next version of an account, verified. */
function next(
  account: SigningAccount,
  devices: SigningDevice[],
  before?: KnownDeviceList,
  signer?: SigningKey,
): VerifiedDeviceList {
  const result = verifyDeviceList(account.next(devices, signer), account, before);
  if (!result.ok) throw new TypeError(result.fault);
  return result.verified;
}

async function statesOf(tenant: TenantId): Promise<Record<string, string>> {
  const rows = await database.prisma.device.findMany({ where: { tenantId: tenant } });
  return Object.fromEntries(rows.map((row) => [row.deviceId, `${row.userId} ${row.state}`]));
}

describe('PrismaAccountStore', () => {
  it('creates an account and reads it back, byte for byte', async () => {
    const account = new SigningAccount(await newTenant());
    const device = new SigningDevice();
    const first = next(account, [device]);

    const handle = handleSchema.parse('Ada');
    expect(await store.create(first, { handle, displayName: 'Ada L.' })).toBe('committed');

    const { signed, list, hash, deviceIds } = first;
    expect(await store.find(account)).toEqual({
      tenant: account.tenant,
      userId: account.userId,
      handle,
      status: 'active',
      latest: { signed, list, hash, deviceIds },
      removedDevices: new Set(),
    });
    expect(await store.listsAfter(account, 0, 10)).toEqual([signed]);
  });

  it('knows no account and no lists of somebody who does not exist', async () => {
    const nobody = { tenant: await newTenant(), userId: userIdSchema.parse('nobody') };

    expect(await store.find(nobody)).toBeUndefined();
    expect(await store.listsAfter(nobody, 0, 1)).toBeUndefined();
  });

  it('gives a first list to a user who came by token', async () => {
    const account = new SigningAccount(await newTenant(), userIdSchema.parse('ada@example.org'));
    await store.ensureUser(account);
    await store.ensureUser(account);
    expect(await store.find(account)).toMatchObject({ handle: null, latest: undefined });

    const handle = handleSchema.parse('ada');
    expect(await store.create(next(account, [new SigningDevice()]), { handle, displayName: undefined })).toBe(
      'committed',
    );

    expect(await store.find(account)).toMatchObject({ handle: 'ada' });
  });

  it('creates an account once', async () => {
    const account = new SigningAccount(await newTenant());
    const first = next(account, [new SigningDevice()]);
    await store.create(first, NOTHING);

    expect(await store.create(first, NOTHING)).toBe('exists');
  });

  it('lets one of several first lists win', async () => {
    const tenant = await newTenant();
    const account = new SigningAccount(tenant, userIdSchema.parse('racer'));
    await store.ensureUser(account);
    const rivals = Array.from({ length: 4 }, () =>
      next(new SigningAccount(tenant, account.userId), [new SigningDevice()]),
    );

    const outcomes = await Promise.all(rivals.map((rival) => store.create(rival, NOTHING)));

    expect(outcomes.sort()).toEqual(['committed', 'exists', 'exists', 'exists']);
  });

  it('gives a handle to one account of a tenant, and leaves nothing of the other', async () => {
    const tenant = await newTenant();
    const taken = (text: string) => ({ handle: handleSchema.parse(text), displayName: undefined });
    await store.create(next(new SigningAccount(tenant), [new SigningDevice()]), taken('Ada'));
    const second = new SigningAccount(tenant);

    expect(await store.create(next(second, [new SigningDevice()]), taken('aDA'))).toBe('handle-taken');

    expect(await store.find(second)).toBeUndefined();
    const elsewhere = new SigningAccount(await newTenant());
    expect(await store.create(next(elsewhere, [new SigningDevice()]), taken('ada'))).toBe('committed');
  });

  it('marks devices that a version leaves out, and takes them back', async () => {
    const account = new SigningAccount(await newTenant());
    const laptop = new SigningDevice();
    const phone = new SigningDevice();
    const first = next(account, [laptop]);
    await store.create(first, NOTHING);
    const second = next(account, [phone], first, laptop);
    expect(await store.append(second, laptop.deviceId)).toBe('committed');

    expect((await store.find(account))?.removedDevices).toEqual(new Set([laptop.deviceId]));

    await store.append(next(account, [phone, laptop], second, phone), phone.deviceId);
    expect(await statesOf(account.tenant)).toEqual({
      [laptop.deviceId]: `${account.userId} active`,
      [phone.deviceId]: `${account.userId} active`,
    });
  });

  it('commits one of several versions with the same number', async () => {
    const account = new SigningAccount(await newTenant());
    const laptop = new SigningDevice();
    const first = next(account, [laptop]);
    await store.create(first, NOTHING);
    const rivals = Array.from({ length: 4 }, () => {
      const signed = laptop.sign('deviceList', account.draft([laptop, new SigningDevice()]));
      const result = verifyDeviceList(signed, account, first);
      if (!result.ok) throw new TypeError(result.fault);
      return result.verified;
    });

    const outcomes = await Promise.all(rivals.map((rival) => store.append(rival, laptop.deviceId)));

    expect(outcomes.sort()).toEqual(['committed', 'conflict', 'conflict', 'conflict']);
    expect(await store.listsAfter(account, 0, 10)).toHaveLength(2);
    expect(Object.keys(await statesOf(account.tenant))).toHaveLength(2);
  });

  it('takes no device from another account, unless it was removed there', async () => {
    const tenant = await newTenant();
    const owner = new SigningAccount(tenant);
    const laptop = new SigningDevice();
    const phone = new SigningDevice();
    const first = next(owner, [laptop, phone]);
    await store.create(first, NOTHING);

    const thief = new SigningAccount(tenant);
    expect(await store.create(next(thief, [phone]), NOTHING)).toBe('device-elsewhere');
    expect(await store.find(thief)).toBeUndefined();

    await store.append(next(owner, [laptop], first, laptop), laptop.deviceId);
    const heir = new SigningAccount(tenant);
    expect(await store.create(next(heir, [phone]), NOTHING)).toBe('committed');
    expect((await statesOf(tenant))[phone.deviceId]).toBe(`${heir.userId} active`);
  });

  it('pages through the versions of a list', async () => {
    const account = new SigningAccount(await newTenant());
    const laptop = new SigningDevice();
    let newest: KnownDeviceList = next(account, [laptop]);
    await store.create(newest as VerifiedDeviceList, NOTHING);
    for (let version = 2; version <= 5; version++) {
      const following = next(account, [laptop], newest, laptop);
      await store.append(following, laptop.deviceId);
      newest = following;
    }

    expect(await store.listsAfter(account, 1, 2)).toEqual(account.versions.slice(1, 3));
    expect(await store.listsAfter(account, 5, 2)).toEqual([]);
    expect((await store.find(account))?.latest?.list.version).toBe(5);
  });

  it('notes when a device was here last', async () => {
    const account = new SigningAccount(await newTenant());
    const laptop = new SigningDevice();
    await store.create(next(account, [laptop]), NOTHING);
    const at = new Date('2026-01-02T03:04:05.678Z');

    const visit = (time: Date) => ({ tenant: account.tenant, deviceId: laptop.deviceId, at: time });
    await store.touchDevices([visit(at), visit(new Date(0))]);
    await store.touchDevices([visit(new Date(1)), { ...visit(at), deviceId: new SigningDevice().deviceId }]);

    const where = { tenantId_deviceId: { tenantId: account.tenant, deviceId: laptop.deviceId } };
    expect((await database.prisma.device.findUniqueOrThrow({ where })).lastSeenAt).toEqual(at);
  });
});
