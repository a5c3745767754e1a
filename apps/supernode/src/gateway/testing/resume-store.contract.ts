import { describe, expect, it } from '@jest/globals';
import { deviceIdSchema, encodeBase64url, LIMITS, tenantIdSchema, userIdSchema } from '@parley/protocol';
import type { Tenure } from '../../cluster/ownership.port.ts';
import { slotOf } from '../../cluster/slot.ts';
import type { DeviceAddress } from '../../identity/caller.ts';
import { isComplete, type ResumeEvent, type ResumeRecord, type ResumeStore } from '../resume-store.port.ts';

const device: DeviceAddress = {
  tenant: tenantIdSchema.parse('default'),
  userId: userIdSchema.parse('ada'),
  deviceId: deviceIdSchema.parse(encodeBase64url(new Uint8Array(32).fill(1))),
};
const other: DeviceAddress = { ...device, userId: userIdSchema.parse('bob') };
const second: DeviceAddress = {
  ...device,
  deviceId: deviceIdSchema.parse(encodeBase64url(new Uint8Array(32).fill(2))),
};

const tenureOf = ({ tenant, userId }: DeviceAddress, epoch = 5): Tenure => ({
  slot: slotOf(tenant, userId),
  epoch,
});
const tenure = tenureOf(device);
const later = tenureOf(device, 6);

function event(sequence: number): ResumeEvent {
  return { sequence, name: 'account.devices-changed', payload: { userId: 'ada', version: sequence } };
}

const linked = (tokenHash: string) => ({ tokenHash, isLinked: true });

/** A record as it is found, but for what a test says. */
function recordWith(over: Partial<ResumeRecord>): ResumeRecord {
  const empty = { device, isLinked: true, sequence: 0, completeSince: 0, events: [] };
  return { ...empty, epoch: tenure.epoch, isSealed: false, ...over };
}

/** What every resume store must do. The store is empty and nobody else's. */
export function describeResumeStore(name: string, make: () => ResumeStore | Promise<ResumeStore>): void {
  describe(`ResumeStore › ${name}`, () => {
    it('begins empty', async () => {
      const store = await make();

      expect(await store.open(device, linked('hash'), tenure)).toBe(true);

      expect(await store.find('hash')).toEqual(recordWith({}));
    });

    it('keeps events in order', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);

      expect(await store.append(device, event(1), tenure)).toBe(true);
      await store.append(device, event(2), tenure);

      expect(await store.find('hash')).toEqual(recordWith({ sequence: 2, events: [event(1), event(2)] }));
    });

    it('keeps the records of devices apart', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      await store.open(second, { tokenHash: 'second hash', isLinked: false }, tenure);
      await store.open(other, linked('other hash'), tenureOf(other));

      await store.append(other, event(1), tenureOf(other));

      expect(await store.find('hash')).toEqual(recordWith({}));
      expect(await store.find('other hash')).toEqual(
        recordWith({ device: other, sequence: 1, events: [event(1)] }),
      );
      expect(await store.find('third hash')).toBeUndefined();
      const ofUser = await store.ofUser(device.tenant, device.userId);
      expect(ofUser).toHaveLength(2);
      expect(ofUser).toEqual(
        expect.arrayContaining([recordWith({}), recordWith({ device: second, isLinked: false })]),
      );
    });

    it('ends the older record of the device when a new one begins', async () => {
      const store = await make();
      await store.open(device, linked('first'), tenure);
      await store.append(device, event(1), tenure);

      await store.open(device, linked('second'), tenure);

      expect(await store.find('first')).toBeUndefined();
      expect(await store.find('second')).toEqual(recordWith({}));
      expect(await store.ofUser(device.tenant, device.userId)).toEqual([recordWith({})]);
    });

    it('lets the oldest event fall out beyond the limit', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);

      for (let sequence = 1; sequence <= LIMITS.maxResumeEvents + 1; sequence++) {
        await store.append(device, event(sequence), tenure);
      }

      const record = await store.find('hash');
      expect(record?.events).toHaveLength(LIMITS.maxResumeEvents);
      expect(record?.events[0]).toEqual(event(2));
      expect(record).toMatchObject({ sequence: LIMITS.maxResumeEvents + 1, completeSince: 1 });
    });

    it('forgets what the device has received and keeps the count', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      for (const sequence of [1, 2, 3]) await store.append(device, event(sequence), tenure);

      await store.trim(device, 2, tenure);

      expect(await store.find('hash')).toEqual(
        recordWith({ sequence: 3, completeSince: 2, events: [event(3)] }),
      );
    });

    it('says that numbers are missing before an event that is not the next one', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      await store.append(device, event(1), tenure);

      await store.append(device, event(3), tenure);

      const record = await store.find('hash');
      expect(record).toEqual(recordWith({ sequence: 3, completeSince: 2, events: [event(1), event(3)] }));
      expect([0, 1, 2, 3, 4].map((last) => isComplete(record!, last))).toEqual([
        false,
        false,
        true,
        true,
        false,
      ]);
    });

    it('notes that a device takes part now', async () => {
      const store = await make();
      await store.open(device, { tokenHash: 'hash', isLinked: false }, tenure);

      await store.link(device, tenure);

      expect(await store.find('hash')).toEqual(recordWith({}));
    });

    it('ends a record, and takes no event without one', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      await store.close(device, tenure);

      expect(await store.append(device, event(1), tenure)).toBe(false);
      expect(await store.takeOver(device, { read: 1, sequence: 1 }, tenure)).toBe('gone');

      expect(await store.find('hash')).toBeUndefined();
      expect(await store.ofUser(device.tenant, device.userId)).toEqual([]);
    });

    it('is sealed until the next write', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      await store.append(device, event(1), tenure);

      await store.seal(device, tenure);
      const sealed = recordWith({ sequence: 1, events: [event(1)], isSealed: true });
      expect(await store.find('hash')).toEqual(sealed);

      await store.takeOver(device, { read: 1, sequence: 1 }, later);
      expect(await store.find('hash')).toEqual({ ...sealed, isSealed: false, epoch: later.epoch });
    });

    it('goes on under a later tenure, from where that says', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      await store.append(device, event(1), tenure);

      expect(await store.takeOver(device, { read: 1, sequence: 1000 }, later)).toBe('taken');
      await store.append(device, event(1001), later);

      expect(await store.find('hash')).toEqual(
        recordWith({
          sequence: 1001,
          completeSince: 1000,
          events: [event(1), event(1001)],
          epoch: later.epoch,
        }),
      );
    });

    it('does not go on from what was read when an event came in between', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      await store.append(device, event(1), tenure);
      await store.append(device, event(2), tenure);

      expect(await store.takeOver(device, { read: 1, sequence: 1 }, later)).toBe('changed');

      const asBefore = recordWith({ sequence: 2, events: [event(1), event(2)] });
      expect(await store.find('hash')).toEqual(asBefore);
      expect(await store.append(device, event(3), tenure)).toBe(true);
    });

    it('takes no event twice', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      await store.append(device, event(1), tenure);
      await store.takeOver(device, { read: 1, sequence: 9 }, tenure);

      expect(await store.append(device, event(9), tenure)).toBe(false);

      expect(await store.find('hash')).toEqual(
        recordWith({ sequence: 9, completeSince: 9, events: [event(1)] }),
      );
    });

    it('is written by an owner of yesterday until the next one wrote it', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      await store.open(second, linked('second'), tenure);
      await store.takeOver(second, { read: 0, sequence: 0 }, later);

      expect(await store.append(device, event(1), tenure)).toBe(true);
      await store.seal(device, tenure);

      expect(await store.find('hash')).toEqual(
        recordWith({ sequence: 1, events: [event(1)], isSealed: true }),
      );
    });

    it('begins nothing under a tenure that a later one of the slot outranked, for a device without a record too', async () => {
      const store = await make();
      await store.open(device, linked('hash'), later);

      expect(await store.open(second, linked('second'), tenure)).toBe(false);
      await store.close(device, later);
      expect(await store.open(device, linked('third'), tenure)).toBe(false);

      expect(await store.find('second')).toBeUndefined();
      expect(await store.ofUser(device.tenant, device.userId)).toEqual([]);
      expect(await store.open(other, linked('other'), tenureOf(other))).toBe(true);
      expect(await store.open(second, linked('fourth'), later)).toBe(true);
    });

    it('takes nothing under a tenure that a later one outranked', async () => {
      const store = await make();
      await store.open(device, linked('hash'), tenure);
      await store.append(device, event(1), tenure);
      await store.takeOver(device, { read: 1, sequence: 1 }, later);
      const record = recordWith({ sequence: 1, events: [event(1)], epoch: later.epoch });

      expect(await store.append(device, event(2), tenure)).toBe(false);
      expect(await store.takeOver(device, { read: 1, sequence: 7 }, tenure)).toBe('gone');
      expect(await store.open(device, linked('second'), tenure)).toBe(false);
      await store.trim(device, 1, tenure);
      await store.seal(device, tenure);
      await store.close(device, tenure);

      expect(await store.find('hash')).toEqual(record);
      expect(await store.find('second')).toBeUndefined();
    });
  });
}
