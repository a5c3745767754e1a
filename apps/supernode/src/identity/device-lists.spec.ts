import { describe, expect, it } from '@jest/globals';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { AccountChanges } from './account-changes.ts';
import type { DeviceListChange } from './account-observer.port.ts';
import type { Account, AccountStore, CommitOutcome } from './accounts.port.ts';
import { verifyDeviceList, type KnownDeviceList } from './device-list-chain.ts';
import { DeviceLists } from './device-lists.ts';
import { SigningAccount, SigningDevice } from './testing/signing-device.ts';

const laptop = new SigningDevice();
const phone = new SigningDevice();

/** A store that answers every write alike. */
function storeThat(outcome: CommitOutcome): AccountStore {
  return {
    find: () => Promise.resolve(undefined),
    ensureUser: () => Promise.resolve(),
    create: () => Promise.resolve(outcome),
    append: () => Promise.resolve(outcome),
    listsAfter: () => Promise.resolve([]),
    touchDevices: () => Promise.resolve(),
  };
}

function setUp(outcome: CommitOutcome = 'committed') {
  const announced: DeviceListChange[] = [];
  const changes = new AccountChanges(new BackgroundTasks());
  changes.subscribe({ deviceListChanged: (change) => void announced.push(change) });
  const time = new ManualTime();
  const lists = new DeviceLists(changes, storeThat(outcome), time);
  const signing = new SigningAccount();
  const first = verifyDeviceList(signing.next([laptop]), signing, undefined);
  if (!first.ok) throw new TypeError(first.fault);
  const account = (latest: KnownDeviceList | undefined): Account => ({
    tenant: signing.tenant,
    userId: signing.userId,
    handle: null,
    status: 'active',
    latest,
    removedDevices: new Set(),
  });
  return { announced, time, lists, signing, first: first.verified, account };
}

describe('DeviceLists', () => {
  it('announces who was added and who was removed', async () => {
    const { announced, lists, signing, first, account } = setUp();

    await lists.commitNext(signing.next([phone], laptop), account(first), () => undefined);

    const { tenant, userId } = signing;
    expect(announced).toEqual([
      { tenant, userId, version: 2, added: [phone.deviceId], removed: [laptop.deviceId] },
    ]);
  });

  it.each([
    ['conflict', 'DEVICE_LIST_CONFLICT'],
    ['device-elsewhere', 'DEVICE_LIST_INVALID'],
  ] as const)('announces nothing when the store says %s (%s)', async (outcome, code) => {
    const { announced, lists, signing, first, account } = setUp(outcome);
    const change = lists.commitNext(signing.next([phone], laptop), account(first), () => undefined);

    await expect(change).rejects.toMatchObject({ code });
    expect(announced).toEqual([]);
  });

  it.each([
    ['exists', 'ACCOUNT_EXISTS'],
    ['handle-taken', 'HANDLE_TAKEN'],
  ] as const)('refuses a first list when the store says %s (%s)', async (outcome, code) => {
    const { lists, first } = setUp(outcome);

    await expect(
      lists.commitFirst(first, { handle: undefined, displayName: undefined }),
    ).rejects.toMatchObject({ code });
  });

  it('needs a first list before the next', async () => {
    const { lists, signing, account } = setUp();

    const change = lists.commitNext(signing.next([phone], laptop), account(undefined), () => undefined);

    await expect(change).rejects.toMatchObject({ code: 'ACCOUNT_REQUIRED' });
  });

  it('bounds how often a list changes', async () => {
    const { time, lists, signing, first, account } = setUp();
    const next = signing.next([laptop, phone], laptop);
    const change = () => lists.commitNext(next, account(first), () => undefined);
    for (let count = 0; count < 60; count++) await change();

    await expect(change()).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 3_600_000 });

    await time.advance(2 * 3_600_000);
    await expect(change()).resolves.toMatchObject({ list: { version: 2 } });
  });
});
