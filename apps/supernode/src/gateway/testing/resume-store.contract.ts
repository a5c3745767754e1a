import { describe, expect, it } from '@jest/globals';
import { deviceIdSchema, encodeBase64url, LIMITS, tenantIdSchema, userIdSchema } from '@parley/protocol';
import type { DeviceAddress } from '../../identity/caller.ts';
import type { ResumeEvent, ResumeStore } from '../resume-store.port.ts';

const device: DeviceAddress = {
  tenant: tenantIdSchema.parse('default'),
  userId: userIdSchema.parse('ada'),
  deviceId: deviceIdSchema.parse(encodeBase64url(new Uint8Array(32).fill(1))),
};
const other: DeviceAddress = { ...device, userId: userIdSchema.parse('bob') };

function event(sequence: number): ResumeEvent {
  return { sequence, name: 'account.devices-changed', payload: { userId: 'ada', version: sequence } };
}

/** What every resume store must do. */
export function describeResumeStore(name: string, make: () => ResumeStore): void {
  describe(`ResumeStore › ${name}`, () => {
    it('begins empty', async () => {
      const store = make();

      await store.open(device, 'hash');

      expect(await store.find('hash')).toEqual({ device, sequence: 0, events: [] });
    });

    it('keeps events in order', async () => {
      const store = make();
      await store.open(device, 'hash');

      await store.append(device, event(1));
      await store.append(device, event(2));

      expect(await store.find('hash')).toEqual({ device, sequence: 2, events: [event(1), event(2)] });
    });

    it('keeps the records of devices apart', async () => {
      const store = make();
      await store.open(device, 'hash');
      await store.open(other, 'other hash');

      await store.append(other, event(1));

      expect(await store.find('hash')).toEqual({ device, sequence: 0, events: [] });
      expect(await store.find('other hash')).toEqual({ device: other, sequence: 1, events: [event(1)] });
      expect(await store.find('third hash')).toBeUndefined();
    });

    it('ends the older record of the device when a new one begins', async () => {
      const store = make();
      await store.open(device, 'first');
      await store.append(device, event(1));

      await store.open(device, 'second');

      expect(await store.find('first')).toBeUndefined();
      expect(await store.find('second')).toEqual({ device, sequence: 0, events: [] });
    });

    it('lets the oldest event fall out beyond the limit', async () => {
      const store = make();
      await store.open(device, 'hash');

      for (let sequence = 1; sequence <= LIMITS.maxResumeEvents + 1; sequence++) {
        await store.append(device, event(sequence));
      }

      const record = await store.find('hash');
      expect(record?.events).toHaveLength(LIMITS.maxResumeEvents);
      expect(record?.events[0]).toEqual(event(2));
      expect(record?.sequence).toBe(LIMITS.maxResumeEvents + 1);
    });

    it('forgets what the device has received and keeps the count', async () => {
      const store = make();
      await store.open(device, 'hash');
      for (const sequence of [1, 2, 3]) await store.append(device, event(sequence));

      await store.trim(device, 2);

      expect(await store.find('hash')).toEqual({ device, sequence: 3, events: [event(3)] });
    });

    it('ends a record, and takes no event without one', async () => {
      const store = make();
      await store.open(device, 'hash');
      await store.close(device);

      await store.append(device, event(1));

      expect(await store.find('hash')).toBeUndefined();
    });
  });
}
