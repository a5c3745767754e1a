import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, LIMITS, userIdSchema } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import type { Caller } from '../identity/caller.ts';
import { SigningDevice } from '../identity/testing/signing-device.ts';
import { Connection } from './connection.ts';
import { DeviceChannels } from './device-channels.ts';
import { MemoryResumeStore } from './resume-store.memory.ts';
import { MovableRoster, type MovableOwnership } from './testing/movable-ownership.ts';
import { RecordingTransport } from './testing/recording-transport.ts';

// That the store is away is provoked; its log entries would only be noise.
beforeAll(() => {
  Logger.overrideLogger(false);
});
afterAll(() => {
  Logger.overrideLogger(['error']);
});

const userId = userIdSchema.parse('ada');
const laptop: Caller = {
  tenant: DEFAULT_TENANT,
  userId,
  deviceId: new SigningDevice().deviceId,
  linked: true,
};
const phone: Caller = { ...laptop, deviceId: new SigningDevice().deviceId };

/** A store that can be cut off from its supernode. */
class LossyResumeStore extends MemoryResumeStore {
  isAway = false;

  override append(...event: Parameters<MemoryResumeStore['append']>): Promise<boolean> {
    return this.isAway ? Promise.reject(new Error('away')) : super.append(...event);
  }

  override close(...record: Parameters<MemoryResumeStore['close']>): Promise<void> {
    return this.isAway ? Promise.reject(new Error('away')) : super.close(...record);
  }

  override find(tokenHash: string) {
    return this.isAway ? Promise.reject(new Error('away')) : super.find(tokenHash);
  }
}

/** One supernode of several on one store. */
class Home {
  readonly observed: string[] = [];
  readonly redirected: Connection[] = [];
  readonly channels: DeviceChannels;

  constructor(
    readonly ownership: MovableOwnership,
    store: MemoryResumeStore,
    private readonly time: ManualTime,
  ) {
    this.channels = new DeviceChannels(store, time, new BackgroundTasks(), ownership.homes);
    this.channels.subscribe({
      deviceReachable: (_device, how) => void this.observed.push(how),
      deviceUnreachable: () => void this.observed.push('unreachable'),
      deviceMoved: () => void this.observed.push('moved'),
      deviceGone: (_device, cause) => void this.observed.push(`gone ${cause}`),
    });
    ownership.onChange((change) => this.redirected.push(...this.channels.follow(change)));
  }

  connect(caller: Caller) {
    const transport = new RecordingTransport();
    const connection = new Connection('192.0.2.1', transport, this.time);
    connection.device = { caller, hasAccount: true };
    return { connection, transport };
  }

  async signIn(caller = laptop) {
    const { connection, transport } = this.connect(caller);
    const { resumeToken, goLive } = await this.channels.open(connection, caller);
    goLive();
    return { connection, transport, resumeToken };
  }

  async resume(resumeToken: string, lastSequence: number, caller = laptop) {
    const { connection, transport } = this.connect(caller);
    const resumed = await this.channels.resume(connection, caller, resumeToken, lastSequence);
    resumed?.goLive();
    return { connection, transport, resumed };
  }

  /** Tells one device, in words that a test finds again. */
  notify(count = 1, to = laptop): void {
    for (let sent = 0; sent < count; sent++)
      this.channels.notifyDevice(to, 'account.devices-changed', { userId, version: 1 });
  }
}

function setUp() {
  const time = new ManualTime();
  const store = new LossyResumeStore();
  const roster = new MovableRoster();
  const [first, second] = ['first', 'second'].map((name) => new Home(roster.join(name), store, time));
  return { time, store, roster, first: first!, second: second! };
}

const sequences = (...numbers: number[]) => numbers.map((number) => `account.devices-changed#${number}`);

describe('a slot that moves', () => {
  it('takes its devices along, to be told, and tells nobody that they are gone', async () => {
    const { roster, first } = setUp();
    const { connection, transport } = await first.signIn();
    const away = await first.signIn(phone);
    await first.channels.lost(away.connection);

    roster.move([laptop]);
    await settled();
    first.notify();
    await first.channels.lost(connection);

    expect(first.redirected).toEqual([connection]);
    expect(connection.device?.caller).toEqual(laptop);
    expect(transport.sent).toEqual([]);
    expect(first.channels.counts).toEqual({ connected: 0, known: 0 });
    expect(first.observed).toEqual(['signed-in', 'signed-in', 'unreachable', 'moved', 'moved']);
  });

  it('leaves the devices of other slots alone', async () => {
    const { roster, first, second } = setUp();
    const { transport } = await first.signIn();

    roster.move([{ ...laptop, userId: userIdSchema.parse('somebody-else') }], second.ownership);
    first.notify();

    expect(first.redirected).toEqual([]);
    expect(transport.sent).toEqual(sequences(1));
  });

  it('ends the resume window here: the new home has its own', async () => {
    const { time, roster, first, second } = setUp();
    const { connection, resumeToken } = await first.signIn();
    await first.channels.lost(connection);
    roster.move([laptop], second.ownership);
    await settled();

    await time.advance(LIMITS.resumeWindowMs);

    expect(first.observed).not.toContain('gone expired');
    expect((await second.resume(resumeToken, 0)).resumed?.recovered).toBe(true);
  });

  it('lets nobody in who came while it moved', async () => {
    const { store, roster, first, second } = setUp();
    const { connection } = first.connect(laptop);
    const open = store.open.bind(store);
    store.open = async (...record) => {
      const isOpen = await open(...record);
      roster.move([laptop], second.ownership);
      return isOpen;
    };

    await expect(first.channels.open(connection, laptop)).rejects.toMatchObject({
      code: 'NOT_HOME',
      alternates: ['http://second.example.net'],
    });
    expect(first.channels.counts.known).toBe(0);
    expect(first.observed).toEqual([]);
  });

  it('takes nobody back who came while it moved', async () => {
    const { store, roster, first, second } = setUp();
    const { connection, resumeToken } = await first.signIn();
    await first.channels.lost(connection);
    const find = store.find.bind(store);
    store.find = async (hash) => {
      const record = await find(hash);
      roster.move([laptop], second.ownership);
      return record;
    };

    await expect(first.resume(resumeToken, 0)).rejects.toMatchObject({ code: 'NOT_HOME' });
    expect(first.channels.counts.known).toBe(0);
  });

  it('has clients wait while it belongs to nobody', async () => {
    const { roster, first, second } = setUp();
    const { resumeToken } = await first.signIn();
    roster.move([laptop]);
    await settled();

    await expect(second.resume(resumeToken, 0)).rejects.toMatchObject({
      code: 'BUSY',
      retryAfterMs: expect.any(Number),
    });
  });
});

describe('a device that signs in anew', () => {
  const away = () => Promise.reject(new Error('away'));

  it.each([
    ['its slot moves', () => Promise.resolve()],
    ['its slot moves and the store goes', away],
  ])('while %s is elsewhere for those who watched it here', async (_, ending) => {
    const { store, roster, first, second } = setUp();
    await first.signIn();
    const open = store.open.bind(store);
    store.open = async (...record) => {
      const isOpen = await open(...record);
      roster.move([laptop], second.ownership);
      await ending();
      return isOpen;
    };

    await expect(first.signIn()).rejects.toThrow();
    await settled();

    expect(first.channels.counts.known).toBe(0);
    expect(first.observed).toEqual(['signed-in', 'moved']);
  });

  it('where its slot is not any more, which is not heard yet, is elsewhere for those who watched it', async () => {
    const { time, store, first } = setUp();
    await first.signIn();
    store.open = () => Promise.resolve(false);

    await expect(first.signIn()).rejects.toMatchObject({ code: 'BUSY' });
    await time.advance(LIMITS.resumeWindowMs);

    expect(first.channels.counts.known).toBe(0);
    expect(first.observed).toEqual(['signed-in', 'moved']);
  });

  it('while its home may not act is away, and gone when it does not come back', async () => {
    const { time, store, first } = setUp();
    await first.signIn();
    const open = store.open.bind(store);
    store.open = (...record) => {
      first.ownership.mayAct = false;
      return open(...record);
    };

    await expect(first.signIn()).rejects.toMatchObject({ code: 'BUSY' });
    first.ownership.mayAct = true;
    expect(first.observed).toEqual(['signed-in', 'unreachable']);
    await time.advance(LIMITS.resumeWindowMs);

    expect(first.channels.counts.known).toBe(0);
    expect(first.observed.at(-1)).toBe('gone expired');
  });
});

describe('a resume at another supernode', () => {
  it('brings what was missed and numbers on, where the former home gave the device over', async () => {
    const { roster, first, second } = setUp();
    const { resumeToken } = await first.signIn();
    first.notify(3);
    roster.move([laptop], second.ownership);
    await settled();

    const { resumed, transport } = await second.resume(resumeToken, 1);
    second.notify();
    await settled();

    expect(resumed).toMatchObject({ recovered: true, newestSequence: 3, tookOver: true });
    expect(transport.sent).toEqual(sequences(2, 3, 4));
    expect(second.observed).toEqual(['resumed']);
  });

  it('says that events may be lost where the former home is just gone, until the device heard it', async () => {
    const { roster, first, second } = setUp();
    const { resumeToken, transport } = await first.signIn();
    first.notify(2);
    crash(first);
    roster.move([laptop], second.ownership);
    expect(transport.sent).toEqual(sequences(1, 2));

    const unheard = await second.resume(resumeToken, 2);
    const again = await second.resume(resumeToken, 2);
    second.notify();
    await settled();
    const heard = await second.resume(resumeToken, lastOf(again.transport));

    expect([unheard, again, heard].map(({ resumed }) => resumed?.recovered)).toEqual([false, false, true]);
  });

  it('uses no number of an event that the former home sent and could not store', async () => {
    const { store, roster, first, second } = setUp();
    const { resumeToken, transport } = await first.signIn();
    first.notify();
    store.isAway = true;
    first.notify(2);
    await settled();
    store.isAway = false;
    expect(transport.sent).toEqual(sequences(1, 2, 3));
    crash(first);
    roster.move([laptop], second.ownership);

    // Somebody tells the device before it is back; and it comes with a number that the store does not know.
    second.notify();
    await settled();
    const early = await second.resume(resumeToken, 3);
    second.notify();

    expect(early.resumed).toMatchObject({ recovered: false, tookOver: true });
    const numbers = early.transport.sent.map((sent) => Number(sent.split('#')[1]));
    expect(numbers).toHaveLength(2);
    expect(Math.min(...numbers)).toBeGreaterThan(3);
    expect(numbers[1]).toBe(numbers[0]! + 1);
  });

  it('does not trust a record that is given over with something missing', async () => {
    const { store, roster, first, second } = setUp();
    const { resumeToken } = await first.signIn();
    store.isAway = true;
    first.notify();
    await settled();
    store.isAway = false;
    roster.move([laptop], second.ownership);
    await settled();

    expect((await second.resume(resumeToken, 0)).resumed?.recovered).toBe(false);
  });

  it('forgets what was missing in a record once the device has received it', async () => {
    const { store, roster, first, second } = setUp();
    const { resumeToken, connection } = await first.signIn();
    store.isAway = true;
    first.notify();
    await settled();
    store.isAway = false;
    first.notify();
    first.channels.pingSent(connection);
    await first.channels.pongReceived(connection);
    roster.move([laptop], second.ownership);
    await settled();

    expect((await second.resume(resumeToken, 2)).resumed?.recovered).toBe(true);
  });

  it('goes there and back again without a loss', async () => {
    const { roster, first, second } = setUp();
    const { resumeToken } = await first.signIn();
    first.notify();
    roster.move([laptop], second.ownership);
    await settled();
    const there = await second.resume(resumeToken, 1);
    second.notify();
    await settled();
    roster.move([laptop], first.ownership);
    await settled();
    const back = await first.resume(resumeToken, 1);
    first.notify();
    await settled();

    expect([there, back].map(({ resumed }) => resumed?.recovered)).toEqual([true, true]);
    expect(there.transport.sent).toEqual(sequences(2));
    expect(back.transport.sent).toEqual(sequences(2, 3));
  });
});

describe('a device that another supernode left behind', () => {
  it('hears what it was told before it came back', async () => {
    const { roster, first, second } = setUp();
    const { resumeToken } = await first.signIn();
    first.notify();
    roster.move([laptop], second.ownership);
    await settled();

    second.notify(2);
    second.channels.notifyUser(DEFAULT_TENANT, userId, 'account.devices-changed', { userId, version: 1 });
    await settled();
    expect(second.channels.resumableDevices(DEFAULT_TENANT, userId)).toEqual([laptop.deviceId]);
    const { resumed, transport } = await second.resume(resumeToken, 1);

    expect(resumed?.recovered).toBe(true);
    expect(transport.sent).toEqual(sequences(2, 3, 4));
  });

  it('is given up when it does not come back within the window', async () => {
    const { time, roster, first, second } = setUp();
    await first.signIn();
    roster.move([laptop], second.ownership);
    await settled();
    await second.channels.settled(DEFAULT_TENANT, userId);

    await time.advance(LIMITS.resumeWindowMs);

    expect(second.observed).toEqual(['unreachable', 'gone expired']);
    expect(second.channels.counts.known).toBe(0);
  });

  it('takes no part where it was not linked', async () => {
    const { roster, first, second } = setUp();
    const { resumeToken } = await first.signIn({ ...laptop, linked: false });
    roster.move([laptop], second.ownership);
    await settled();

    second.channels.notifyUser(DEFAULT_TENANT, userId, 'account.devices-changed', { userId, version: 1 });
    await settled();

    expect(second.channels.resumableDevices(DEFAULT_TENANT, userId)).toEqual([]);
    expect((await second.resume(resumeToken, 0)).transport.sent).toEqual([]);
  });

  it('is looked up once, and again where the store was away', async () => {
    const { store, roster, first, second } = setUp();
    await first.signIn();
    roster.move([laptop], second.ownership);
    await settled();
    let asked = 0;
    const ofUser = store.ofUser.bind(store);
    store.ofUser = (...user) => {
      asked += 1;
      return asked === 1 ? Promise.reject(new Error('away')) : ofUser(...user);
    };

    second.notify();
    await settled();
    expect(second.channels.counts.known).toBe(0);
    second.notify();
    await settled();
    const afterwards = asked;
    second.notify();

    expect(second.channels.counts.known).toBe(1);
    expect(asked).toBe(afterwards);
  });
});

describe('a heartbeat', () => {
  it('proves nothing of what goes out after a resume, when its ping was sent before', async () => {
    const { first } = setUp();
    const before = await first.signIn();
    await first.channels.lost(before.connection);
    first.notify(2);
    const { connection } = first.connect(laptop);

    await first.channels.resume(connection, laptop, before.resumeToken, 0);
    await first.channels.pongReceived(connection);
    await first.channels.lost(connection);

    expect((await first.resume(before.resumeToken, 0)).resumed?.recovered).toBe(true);
  });
});

describe('a store that is away', () => {
  it('keeps a device from coming back, which may then come later', async () => {
    const { store, first } = setUp();
    const { resumeToken, connection } = await first.signIn();
    await first.channels.lost(connection);
    let finds = 0;
    const find = store.find.bind(store);
    store.find = (hash) => (++finds === 2 ? Promise.reject(new Error('away')) : find(hash));

    await expect(first.resume(resumeToken, 0)).rejects.toThrow('away');
    expect(first.channels.connectedDevices(DEFAULT_TENANT, userId)).toEqual([]);

    expect((await first.resume(resumeToken, 0)).resumed?.recovered).toBe(true);
  });

  it('makes a resume incomplete whose newest events it did not get', async () => {
    const { store, first } = setUp();
    const { resumeToken } = await first.signIn();
    store.isAway = true;
    first.notify();
    await settled();
    store.isAway = false;

    expect((await first.resume(resumeToken, 0)).resumed?.recovered).toBe(false);
  });
});

describe('a device that is given up while the store is away', () => {
  /** Signed in, lost and not back in time. */
  async function giveUp({ time, store }: ReturnType<typeof setUp>, home: Home) {
    const { resumeToken, connection } = await home.signIn();
    await home.channels.lost(connection);
    store.isAway = true;
    await time.advance(LIMITS.resumeWindowMs);
    store.isAway = false;
    expect(home.observed.at(-1)).toBe('gone expired');
    return resumeToken;
  }

  it('does not come back to what has ended', async () => {
    const scene = setUp();
    const resumeToken = await giveUp(scene, scene.first);

    expect((await scene.first.resume(resumeToken, 0)).resumed).toBeUndefined();
    expect(await scene.store.ofUser(DEFAULT_TENANT, userId)).toEqual([]);
    expect(scene.first.observed.at(-1)).toBe('gone expired');
  });

  it('is not taken for one that another supernode left behind', async () => {
    const scene = setUp();
    scene.roster.move([laptop], scene.second.ownership);
    await giveUp(scene, scene.second);

    scene.second.notify();
    await settled();

    expect(scene.second.channels.counts.known).toBe(0);
    expect(scene.second.observed.at(-1)).toBe('gone expired');
  });

  it('resumes as ever once it has signed in anew', async () => {
    const scene = setUp();
    await giveUp(scene, scene.first);
    const { resumeToken } = await scene.first.signIn();
    scene.roster.move([laptop], scene.second.ownership);
    await settled();
    scene.roster.move([laptop], scene.first.ownership);
    await settled();

    expect((await scene.first.resume(resumeToken, 0)).resumed?.recovered).toBe(true);
  });
});

/** The supernode neither seals nor tells anything any more. */
function crash({ channels }: Home): void {
  channels.follow = () => [];
}

function lastOf({ sent }: RecordingTransport): number {
  return Math.max(0, ...sent.map((one) => Number(one.split('#')[1])));
}
