import { deviceIdSchema, tenantIdSchema, userIdSchema } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { slotOf } from '../cluster/slot.ts';
import { SupernodeError } from '../errors.ts';
import { DeviceTimers } from './device-timers.ts';

const DEVICE = {
  tenant: tenantIdSchema.parse('default'),
  userId: userIdSchema.parse('alice'),
  deviceId: deviceIdSchema.parse('A'.repeat(43)),
};

/** A task that may not act until `mayAct`. */
function setUp() {
  const time = new ManualTime();
  const timers = new DeviceTimers(time, new BackgroundTasks());
  const world = { mayAct: false, tried: 0, done: 0 };
  const task = (): Promise<void> => {
    world.tried += 1;
    if (!world.mayAct) return Promise.reject(new SupernodeError('SN_NOT_OWNER', 'Not now.'));
    world.done += 1;
    return Promise.resolve();
  };
  return { time, timers, world, task };
}

describe('DeviceTimers', () => {
  it('do later what the supernode may not do at the moment, and once', async () => {
    const { time, timers, world, task } = setUp();
    timers.start('return', DEVICE, 100, task);
    await time.advance(2_500);
    expect(world).toMatchObject({ tried: 3, done: 0 });
    world.mayAct = true;
    await time.advance(60_000);
    expect(world).toMatchObject({ tried: 4, done: 1 });
    expect(time.pendingTimers).toBe(0);
  });

  it('end with the slot of the user, and do not try for ever', async () => {
    const { time, timers, world, task } = setUp();
    timers.start('grace', DEVICE, 100, task);
    await time.advance(150);
    timers.forget(new Set([slotOf(DEVICE.tenant, DEVICE.userId)]));
    await time.advance(60_000);
    expect(world.tried).toBe(1);

    timers.start('grace', DEVICE, 100, task);
    await time.advance(600_000);
    expect(world.tried).toBe(1 + 31);
    expect(time.pendingTimers).toBe(0);
  });
});
