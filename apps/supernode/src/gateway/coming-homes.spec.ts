import { describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, userIdSchema } from '@parley/protocol';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { ComingHomes } from './coming-homes.ts';
import { MovableRoster } from './testing/movable-ownership.ts';

const user = { tenant: DEFAULT_TENANT, userId: userIdSchema.parse('ada') };

function setUp() {
  const time = new ManualTime();
  const roster = new MovableRoster();
  const [here, there] = [roster.join('here'), roster.join('there')];
  here.mayAct = false;
  const coming = new ComingHomes(here.homes, time);
  const waiter = { isOver: false, isWanted: true };
  const wait = async () => {
    void coming.settled(user, () => waiter.isWanted).then(() => (waiter.isOver = true));
    await settled();
  };
  return { time, roster, here, there, coming, waiter, wait };
}

describe('ComingHomes', () => {
  it('is over as soon as this supernode may act', async () => {
    const { time, here, waiter, wait } = setUp();
    await wait();
    await time.advance(3_000);
    expect(waiter.isOver).toBe(false);

    here.mayAct = true;
    await time.advance(100);

    expect(waiter.isOver).toBe(true);
  });

  it('is over when the user goes to another supernode after all', async () => {
    const { time, roster, there, waiter, wait } = setUp();
    await wait();
    roster.move([user], there);
    await time.advance(100);

    expect(waiter.isOver).toBe(true);
  });

  it('is over when nobody waits any more, after five seconds, and at the end', async () => {
    const gone = setUp();
    await gone.wait();
    gone.waiter.isWanted = false;
    await gone.time.advance(100);
    expect(gone.waiter.isOver).toBe(true);

    const late = setUp();
    await late.wait();
    await late.time.advance(4_900);
    expect(late.waiter.isOver).toBe(false);
    await late.time.advance(100);
    expect(late.waiter.isOver).toBe(true);

    const ending = setUp();
    await ending.wait();
    ending.coming.onModuleDestroy();
    await settled();
    expect(ending.waiter.isOver).toBe(true);
  });
});
