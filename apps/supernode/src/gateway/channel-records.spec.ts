import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { slotOf } from '../cluster/slot.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { ChannelRecords } from './channel-records.ts';
import { DeviceChannel } from './device-channel.ts';
import { MemoryResumeStore } from './resume-store.memory.ts';

// That the store is away is provoked; its log entries would only be noise.
beforeAll(() => {
  Logger.overrideLogger(false);
});
afterAll(() => {
  Logger.overrideLogger(['error']);
});

const device = callerNamed('ada');
const slot = slotOf(device.tenant, device.userId);
const [earlier, later] = [
  { slot, epoch: 5 },
  { slot, epoch: 6 },
];
const event = (sequence: number) => ({ sequence, name: 'session.ended', payload: {} }) as const;

it('goes on from what the former home stored until then, also between the read and the take-over', async () => {
  const store = new MemoryResumeStore();
  await store.open(device, { tokenHash: 'hash', isLinked: true }, earlier);
  await store.append(device, event(1), earlier);
  const read = (await store.find('hash'))!;
  await store.append(device, event(2), earlier);
  await store.seal(device, earlier);

  const channel = await new ChannelRecords(store, new ManualTime(), new BackgroundTasks()).takeOver(
    { ...read, isSealed: true },
    later,
    1,
  );

  expect(channel?.newest).toBe(2);
  expect(await store.find('hash')).toMatchObject({ sequence: 2, completeSince: 0, epoch: 6 });
});

describe('a record that was to end while the store was away', () => {
  const setUp = async () => {
    const time = new ManualTime();
    const store = new MemoryResumeStore();
    const records = new ChannelRecords(store, time, new BackgroundTasks());
    await store.open(device, { tokenHash: 'hash', isLinked: true }, earlier);
    const close = store.close.bind(store);
    store.close = () => Promise.reject(new Error('away'));
    await records.close(new DeviceChannel(device, true, earlier, 0));
    const takeOver = async (tenure: typeof earlier) =>
      records.takeOver((await store.find('hash'))!, tenure, 0);
    return { time, store, records, takeOver, back: () => void (store.close = close) };
  };

  it('is not gone on with, and ends at the first look when the store is back', async () => {
    const { time, store, takeOver, back } = await setUp();

    expect(await takeOver(later)).toBeUndefined();
    expect(await takeOver(earlier)).toBeUndefined();
    back();
    expect(await takeOver(later)).toBeUndefined();

    expect(await store.find('hash')).toBeUndefined();
    expect(time.pendingTimers).toBe(0);
  });

  it('is gone on with after somebody else had the device', async () => {
    const { store, takeOver } = await setUp();
    await store.takeOver(device, { read: 0, sequence: 0 }, later);

    expect(await takeOver({ slot, epoch: 7 })).toBeDefined();
  });

  it('is forgotten when it has ended by itself', async () => {
    const { time, takeOver } = await setUp();

    await time.advance(LIMITS.resumeWindowMs + 120_000);

    expect(await takeOver(earlier)).toBeDefined();
    expect(time.pendingTimers).toBe(0);
  });
});
