import { expect, it } from '@jest/globals';
import { BackgroundTasks } from '../background-tasks.ts';
import { slotOf } from '../cluster/slot.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { ChannelRecords } from './channel-records.ts';
import { MemoryResumeStore } from './resume-store.memory.ts';

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

  const channel = await new ChannelRecords(store, new BackgroundTasks()).takeOver(
    { ...read, isSealed: true },
    later,
    1,
  );

  expect(channel?.newest).toBe(2);
  expect(await store.find('hash')).toMatchObject({ sequence: 2, completeSince: 0, epoch: 6 });
});
