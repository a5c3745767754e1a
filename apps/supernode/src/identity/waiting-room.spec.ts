import { describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, userIdSchema, type DeviceId, type EventOf } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { SoleLinks } from '../links/sole-links.ts';
import type { Links } from '../links/links.port.ts';
import { quietConnection } from './testing/identity-fixtures.ts';
import { SigningDevice } from './testing/signing-device.ts';
import { WaitingDevices } from './waiting-devices.ts';
import type { WaitingPlaces } from './waiting-places.port.ts';
import { WaitingRoom } from './waiting-room.ts';

const approval: EventOf<'link.approved'> = {
  tenant: DEFAULT_TENANT,
  userId: userIdSchema.parse('ada'),
  handle: null,
  token: 'token',
  lists: [new SigningDevice().sign('deviceList', {})],
  confirmation: 'A'.repeat(43),
};

/** Two supernodes of one cluster. */
function twoRooms() {
  const places = new Map<DeviceId, string>();
  const links = new Map<string, Links>();
  const room = (self: string) => {
    const own = new SoleLinks(self, new BackgroundTasks());
    links.set(self, own);
    const across: Pick<Links, 'request' | 'onRequest'> = {
      onRequest: own.onRequest,
      request: (to, ...request) => links.get(to)!.request(to, ...request),
    };
    const shared: WaitingPlaces = {
      note: (_tenant, deviceId) => Promise.resolve(void places.set(deviceId, self)),
      find: (_tenant, deviceId) => Promise.resolve(places.get(deviceId)),
    };
    const waiting = new WaitingRoom(new WaitingDevices(new ManualTime()), shared, self, across);
    waiting.onModuleInit();
    return waiting;
  };
  return { a: room('a'), b: room('b') };
}

function waitingDevice() {
  const { deviceId, key } = new SigningDevice();
  const told: unknown[] = [];
  const connection = { ...quietConnection(), send: (...event: unknown[]) => void told.push(event) };
  return { device: { tenant: DEFAULT_TENANT, deviceId, deviceKey: key }, deviceId, connection, told };
}

describe('WaitingRoom', () => {
  it.each(['here', 'elsewhere'] as const)('lets a device in that waits %s, once', async (where) => {
    const { a, b } = twoRooms();
    const { device, deviceId, connection, told } = waitingDevice();
    await a.enter(device, connection);
    const approver = where === 'here' ? a : b;

    expect(await approver.has(DEFAULT_TENANT, deviceId)).toBe(true);
    expect(await approver.letIn(DEFAULT_TENANT, deviceId, approval)).toBe(true);

    expect(told).toEqual([['link.approved', approval]]);
    expect(await approver.has(DEFAULT_TENANT, deviceId)).toBe(false);
    expect(await approver.letIn(DEFAULT_TENANT, deviceId, approval)).toBe(false);
  });

  it('finds a device where it waits now, after it went to another supernode', async () => {
    const { a, b } = twoRooms();
    const { device, deviceId, told } = waitingDevice();
    const before = { ...quietConnection(), isOpen: false };
    await a.enter(device, before);
    await b.enter(device, { ...quietConnection(), send: (...event: unknown[]) => void told.push(event) });

    expect(await a.letIn(DEFAULT_TENANT, deviceId, approval)).toBe(true);
    expect(told).toHaveLength(1);
  });

  it('knows nobody who does not wait', async () => {
    const { a } = twoRooms();
    const { deviceId } = new SigningDevice();

    expect(await a.has(DEFAULT_TENANT, deviceId)).toBe(false);
    expect(await a.letIn(DEFAULT_TENANT, deviceId, approval)).toBe(false);
  });
});
