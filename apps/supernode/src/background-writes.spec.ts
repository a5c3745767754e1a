import { describe, expect, it } from '@jest/globals';
import { BackgroundTasks } from './background-tasks.ts';
import { BackgroundWrites } from './background-writes.ts';
import { ManualTime, settled } from './clock/testing/manual-time.ts';

function setUp(write: (items: readonly number[]) => Promise<void>) {
  const time = new ManualTime();
  const tasks = new BackgroundTasks();
  const written: (readonly number[])[] = [];
  const writes = new BackgroundWrites<number>(
    'noting numbers',
    async (items) => {
      await write(items);
      written.push(items);
    },
    tasks,
    time,
  );
  return { time, tasks, writes, written };
}

describe('BackgroundWrites', () => {
  it('writes together what comes within a tenth of a second', async () => {
    const { time, writes, written } = setUp(() => Promise.resolve());
    for (const number of [1, 2, 3]) writes.add(number);
    await time.advance(99);
    expect(written).toEqual([]);
    await time.advance(1);
    expect(written).toEqual([[1, 2, 3]]);
  });

  it('writes what waits when it is closed, and counts what comes later', async () => {
    const { writes, written, tasks } = setUp(() => Promise.resolve());
    writes.add(1);
    await writes.close();
    expect(written).toEqual([[1]]);
    writes.add(2);
    await settled();
    expect(tasks.failures).toBe(1);
  });

  it('counts one failure for what could not be written together, and goes on', async () => {
    let isAway = true;
    const { time, writes, written, tasks } = setUp(() =>
      isAway ? Promise.reject(new TypeError('away')) : Promise.resolve(),
    );
    for (const number of [1, 2, 3]) writes.add(number);
    await time.advance(100);
    expect(tasks.failures).toBe(1);
    isAway = false;
    writes.add(4);
    await time.advance(100);
    expect(written).toEqual([[4]]);
  });

  it('counts what finds 20,000 waiting while the database hangs', async () => {
    const { writes, tasks } = setUp(() => new Promise(() => undefined));
    const underWay = 500;
    for (let number = 0; number < underWay + 20_003; number += 1) writes.add(number);
    await settled();
    expect(tasks.failures).toBe(3);
  });
});
