import { describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, LIMITS, tenantIdSchema } from '@parley/protocol';
import { ManualTime } from '../clock/testing/manual-time.ts';
import type { ConnectionContext } from './connection-context.ts';
import type { ProvenDevice } from './device-proof.ts';
import { quietConnection } from './testing/identity-fixtures.ts';
import { SigningDevice } from './testing/signing-device.ts';
import { WaitingDevices } from './waiting-devices.ts';

function proven(): ProvenDevice {
  const { deviceId, key } = new SigningDevice();
  return { tenant: DEFAULT_TENANT, deviceId, deviceKey: key };
}

const closed: ConnectionContext = { ...quietConnection(), isOpen: false };

describe('WaitingDevices', () => {
  it('finds a device of the tenant that waits, until it was let in', () => {
    const waiting = new WaitingDevices(new ManualTime());
    const device = proven();
    waiting.add(device, quietConnection());

    expect(waiting.find(DEFAULT_TENANT, device.deviceId)?.device).toEqual(device);
    expect(waiting.find(tenantIdSchema.parse('other'), device.deviceId)).toBeUndefined();
    waiting.remove(DEFAULT_TENANT, device.deviceId);
    expect(waiting.find(DEFAULT_TENANT, device.deviceId)).toBeUndefined();
  });

  it('finds no device whose connection ended or whose time is over', async () => {
    const time = new ManualTime();
    const waiting = new WaitingDevices(time);
    const [gone, late] = [proven(), proven()];
    waiting.add(gone, closed);
    waiting.add(late, quietConnection());

    expect(waiting.find(DEFAULT_TENANT, gone.deviceId)).toBeUndefined();
    await time.advance(LIMITS.linkLifetimeMs);
    expect(waiting.find(DEFAULT_TENANT, late.deviceId)).toBeUndefined();
  });

  it('lets the newest connection of a device wait', () => {
    const waiting = new WaitingDevices(new ManualTime());
    const device = proven();
    const newest = quietConnection();
    waiting.add(device, quietConnection());
    waiting.add(device, newest);

    expect(waiting.find(DEFAULT_TENANT, device.deviceId)?.connection).toBe(newest);
  });

  it('is bounded, and makes room by those whose connection ended', () => {
    const waiting = new WaitingDevices(new ManualTime(), 3);
    const devices = [proven(), proven(), proven(), proven()] as const;
    for (const device of devices.slice(0, 3)) waiting.add(device, quietConnection());
    expect(() => waiting.add(devices[3], quietConnection())).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED' }),
    );

    const other = new WaitingDevices(new ManualTime(), 3);
    for (const device of devices.slice(0, 3)) other.add(device, closed);
    other.add(devices[3], quietConnection());

    expect(other.find(DEFAULT_TENANT, devices[3].deviceId)).toBeDefined();
  });
});
