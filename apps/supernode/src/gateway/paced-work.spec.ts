import { describe, expect, it } from '@jest/globals';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { PacedWork } from './paced-work.ts';

function setUp(most = 64) {
  const time = new ManualTime();
  const state = { isBusy: true, lateMs: 0, raised: 0 };
  // A loop that is late sees more time gone than its timers were set for.
  const clock = { now: () => time.now(), monotonic: () => time.monotonic() + state.lateMs };
  const work = new PacedWork(
    most,
    clock,
    time,
    () => state.isBusy,
    () => (state.raised += 1),
  );
  const look = async (lateMs: number): Promise<number> => {
    work.watch();
    state.lateMs += lateMs;
    await time.advance(50);
    return work.limit;
  };
  return { time, state, work, look };
}

describe('PacedWork', () => {
  it('is all that is configured while the loop is in time', async () => {
    const { look } = setUp();

    expect([await look(0), await look(149), await look(0)]).toEqual([64, 64, 64]);
  });

  it('halves with each look that is late, down to a few', async () => {
    const { look } = setUp();

    expect([await look(150), await look(400), await look(400), await look(400)]).toEqual([32, 16, 8, 4]);
    expect(await look(5_000)).toBe(4);
  });

  it('never exceeds a small configuration', async () => {
    const { look } = setUp(2);

    expect([await look(500), await look(0)]).toEqual([2, 2]);
  });

  it('comes back within about a second, and says so for those who wait', async () => {
    const { look, state, time, work } = setUp();
    for (let at = 0; at < 4; at += 1) await look(200);
    await time.advance(750);

    expect(work.limit).toBe(64);
    expect(state.raised).toBe(15);
  });

  it('looks no longer than there is something to see', async () => {
    const { look, state, time } = setUp();
    await look(200);
    state.isBusy = false;
    await time.advance(1_000);

    expect(time.pendingTimers).toBe(0);
  });
});
