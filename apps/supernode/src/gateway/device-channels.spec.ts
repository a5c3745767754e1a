import { describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, LIMITS, userIdSchema } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import type { Caller } from '../identity/caller.ts';
import { SigningDevice } from '../identity/testing/signing-device.ts';
import { Connection } from './connection.ts';
import { DeviceChannels } from './device-channels.ts';
import { MemoryResumeStore } from './resume-store.memory.ts';
import { MovableRoster } from './testing/movable-ownership.ts';
import { RecordingTransport } from './testing/recording-transport.ts';

const userId = userIdSchema.parse('ada');

function callerOf(device: SigningDevice, linked = true): Caller {
  return { tenant: DEFAULT_TENANT, userId, deviceId: device.deviceId, linked };
}

const laptop = callerOf(new SigningDevice());
const phone = callerOf(new SigningDevice());
const news = { userId, version: 1 };

function setUp() {
  const time = new ManualTime();
  const { homes } = new MovableRoster().join('here');
  const store = new MemoryResumeStore();
  const channels = new DeviceChannels(store, time, new BackgroundTasks(), homes);
  const observed: string[] = [];
  channels.subscribe({
    deviceReachable: (_device, how) => void observed.push(how),
    deviceUnreachable: () => void observed.push('unreachable'),
    deviceGone: (_device, cause) => void observed.push(`gone ${cause}`),
  });
  const connect = (caller: Caller) => {
    const transport = new RecordingTransport();
    const connection = new Connection('192.0.2.1', transport, time);
    connection.device = { caller, hasAccount: true };
    return { connection, transport };
  };
  const signIn = async (caller: Caller) => {
    const { connection, transport } = connect(caller);
    const { resumeToken, goLive } = await channels.open(connection, caller);
    goLive();
    return { connection, transport, resumeToken };
  };
  const notify = (count = 1, to = laptop) => {
    for (let sent = 0; sent < count; sent++) channels.notifyDevice(to, 'account.devices-changed', news);
  };
  return { time, store, channels, observed, connect, signIn, notify };
}

const sequences = (...numbers: number[]) => numbers.map((number) => `account.devices-changed#${number}`);

describe('DeviceChannels › events', () => {
  it('are numbered from 1 and held back until the sign-in was answered', async () => {
    const { channels, connect, notify } = setUp();
    const { connection, transport } = connect(laptop);
    const { goLive } = await channels.open(connection, laptop);
    notify(2);
    expect(transport.sent).toEqual([]);

    goLive();
    notify();

    expect(transport.sent).toEqual(sequences(1, 2, 3));
  });

  it('reach all linked devices of a user but one', async () => {
    const { channels, signIn } = setUp();
    const one = await signIn(laptop);
    const two = await signIn(phone);
    const three = await signIn(callerOf(new SigningDevice(), false));

    const reached = channels.notifyUser(
      DEFAULT_TENANT,
      userId,
      'account.devices-changed',
      news,
      laptop.deviceId,
    );

    expect(reached).toBe(1);
    expect([one, two, three].map(({ transport }) => transport.sent.length)).toEqual([0, 1, 0]);
    expect(channels.connectedDevices(DEFAULT_TENANT, userId)).toEqual([laptop.deviceId, phone.deviceId]);
  });

  it('go to nobody when the device is neither connected nor resumable', async () => {
    const { time, channels, signIn } = setUp();
    expect(channels.notifyDevice(laptop, 'account.devices-changed', news)).toBe(false);

    const { connection } = await signIn(laptop);
    await channels.lost(connection);
    expect(channels.notifyDevice(laptop, 'account.devices-changed', news)).toBe(true);
    expect(channels.connectedDevices(DEFAULT_TENANT, userId)).toEqual([]);
    await time.advance(LIMITS.resumeWindowMs);

    expect(channels.notifyDevice(laptop, 'account.devices-changed', news)).toBe(false);
    expect(channels.counts).toEqual({ connected: 0, known: 0 });
  });

  it('close a connection whose sign-in is never answered, before they fill the memory', async () => {
    const { channels, connect, notify } = setUp();
    const { connection, transport } = connect(laptop);
    await channels.open(connection, laptop);

    notify(LIMITS.maxResumeEvents + 1);

    expect(transport.isClosed).toBe(true);
  });
});

describe('DeviceChannels › resume', () => {
  it('sends what was missed, then what is new', async () => {
    const { channels, observed, connect, signIn, notify } = setUp();
    const before = await signIn(laptop);
    notify(2);
    await channels.lost(before.connection);
    notify(2);
    const { connection, transport } = connect(laptop);

    const resumed = await channels.resume(connection, laptop, before.resumeToken, 1);
    notify();
    resumed?.goLive();
    notify();

    expect(resumed?.recovered).toBe(true);
    expect(resumed?.resumeToken).toBe(before.resumeToken);
    expect(transport.sent).toEqual(sequences(2, 3, 4, 5, 6));
    expect(observed).toEqual(['signed-in', 'unreachable', 'resumed']);
  });

  it('says that events were lost when more came than are kept', async () => {
    const { channels, connect, signIn, notify } = setUp();
    const before = await signIn(laptop);
    await channels.lost(before.connection);
    notify(LIMITS.maxResumeEvents + 1);
    const { connection, transport } = connect(laptop);

    const resumed = await channels.resume(connection, laptop, before.resumeToken, 0);
    resumed?.goLive();

    expect(resumed?.recovered).toBe(false);
    expect(transport.sent).toHaveLength(LIMITS.maxResumeEvents);
  });

  it('takes over a connection whose loss was not noticed yet', async () => {
    const { channels, connect, signIn } = setUp();
    const before = await signIn(laptop);
    const { connection } = connect(laptop);

    const resumed = await channels.resume(connection, laptop, before.resumeToken, 0);
    await channels.lost(before.connection);

    expect(resumed?.recovered).toBe(true);
    expect(before.transport.sent).toEqual(['go-away#0']);
    expect(before.transport.isClosed).toBe(true);
    expect(channels.connectedDevices(DEFAULT_TENANT, userId)).toEqual([laptop.deviceId]);
  });

  it('is refused with an unknown token, after the window, and after a new sign-in', async () => {
    const { time, channels, observed, connect, signIn } = setUp();
    const resume = (token: string) => channels.resume(connect(laptop).connection, laptop, token, 0);
    const first = await signIn(laptop);
    expect(await resume('unknown')).toBeUndefined();

    await channels.lost(first.connection);
    await time.advance(LIMITS.resumeWindowMs);
    expect(await resume(first.resumeToken)).toBeUndefined();
    expect(observed).toEqual(['signed-in', 'unreachable', 'gone expired']);

    const second = await signIn(laptop);
    await signIn(laptop);
    expect(await resume(second.resumeToken)).toBeUndefined();
    expect(await channels.ownerOf(second.resumeToken)).toBeUndefined();
  });

  it('keeps no event that a heartbeat proved to have arrived', async () => {
    const { channels, connect, signIn, notify } = setUp();
    const before = await signIn(laptop);
    notify(3);
    channels.pingSent(before.connection);
    notify();
    await channels.pongReceived(before.connection);
    await channels.lost(before.connection);

    const late = await channels.resume(connect(laptop).connection, laptop, before.resumeToken, 2);
    const right = await channels.resume(connect(laptop).connection, laptop, before.resumeToken, 3);

    expect(late?.recovered).toBe(false);
    expect(right?.recovered).toBe(true);
  });

  it('ends the expiry that a lost connection began', async () => {
    const { time, channels, observed, connect, signIn } = setUp();
    const before = await signIn(laptop);
    await channels.lost(before.connection);
    await channels.resume(connect(laptop).connection, laptop, before.resumeToken, 0);

    await time.advance(LIMITS.resumeWindowMs * 2);

    expect(observed).toEqual(['signed-in', 'unreachable', 'resumed']);
    expect(time.pendingTimers).toBe(0);
  });
});

describe('DeviceChannels › end', () => {
  it('tells and closes the connection of a revoked device, and refuses its resume', async () => {
    const { channels, observed, connect, signIn } = setUp();
    const { connection, transport, resumeToken } = await signIn(laptop);

    await channels.end(laptop, 'revoked');
    await channels.lost(connection);

    expect(connection.device).toBeUndefined();
    expect(transport.payloads).toEqual([expect.objectContaining({ reason: 'revoked' })]);
    expect(transport.isClosed).toBe(true);
    expect(await channels.resume(connect(laptop).connection, laptop, resumeToken, 0)).toBeUndefined();
    expect(observed).toEqual(['signed-in', 'gone revoked']);
  });

  it('revokes a device that may only resume, and moves the count of revocations', async () => {
    const { channels, observed, signIn } = setUp();
    const { connection } = await signIn(laptop);
    await channels.lost(connection);
    const before = channels.revocations;

    await channels.end(laptop, 'revoked');
    await channels.end(phone, 'revoked');

    expect(channels.revocations).toBe(before + 2);
    expect(observed).toEqual(['signed-in', 'unreachable', 'gone revoked']);
  });

  it('leaves the connection open after a sign-off', async () => {
    const { channels, observed, signIn } = setUp();
    const { connection, transport } = await signIn(laptop);

    await channels.end(laptop, 'signed-off');

    expect([connection.device, transport.isClosed]).toEqual([undefined, false]);
    expect(observed).toEqual(['signed-in', 'gone signed-off']);
  });
});

describe('DeviceChannels › linked', () => {
  it('lets a device take part once its list names it', async () => {
    const { channels, observed, signIn } = setUp();
    const waiting = callerOf(new SigningDevice(), false);
    const { connection } = await signIn(waiting);
    expect(observed).toEqual([]);

    await channels.linked(waiting);
    await channels.linked(waiting);

    expect(connection.device).toEqual({ caller: { ...waiting, linked: true }, hasAccount: true });
    expect(observed).toEqual(['signed-in']);
    expect(channels.connectedDevices(DEFAULT_TENANT, userId)).toEqual([waiting.deviceId]);
  });
});

describe('DeviceChannels › a sign-in while the store is away', () => {
  it('leaves a device that is away, and gone when it does not come back', async () => {
    const { time, store, channels, observed, signIn } = setUp();
    await signIn(laptop);
    const open = store.open.bind(store);
    store.open = () => Promise.reject(new TypeError('away'));
    await expect(signIn(laptop)).rejects.toThrow('away');
    store.open = open;

    expect(channels.counts).toEqual({ connected: 0, known: 1 });
    expect(observed).toEqual(['signed-in', 'unreachable']);
    await time.advance(LIMITS.resumeWindowMs);

    expect(channels.counts.known).toBe(0);
    expect(observed.at(-1)).toBe('gone expired');
  });
});
