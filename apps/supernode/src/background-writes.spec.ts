import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { BackgroundTasks } from './background-tasks.ts';
import { BackgroundWrites } from './background-writes.ts';
import { ManualTime, settled } from './clock/testing/manual-time.ts';
import { SupernodeError } from './errors.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

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

  it('counts one failure for what a database that is away did not get, and goes on', async () => {
    let isAway = true;
    const { time, writes, written, tasks } = setUp(() =>
      isAway ? Promise.reject(new SupernodeError('SN_DB_UNREACHABLE', 'away')) : Promise.resolve(),
    );
    for (const number of [1, 2, 3]) writes.add(number);
    await time.advance(100);
    expect(tasks.failures).toBe(1);
    isAway = false;
    writes.add(4);
    await time.advance(100);
    expect(written).toEqual([[4]]);
  });

  it('loses nothing but the one that can not be written', async () => {
    const { time, writes, written, tasks } = setUp((items) =>
      items.includes(2) ? Promise.reject(new TypeError('no such account')) : Promise.resolve(),
    );
    for (const number of [1, 2, 3, 4]) writes.add(number);
    await time.advance(100);
    expect(written.flat()).toEqual([1, 3, 4]);
    expect(tasks.failures).toBe(1);
  });

  it('drops what finds 20,000 waiting while the database hangs, and tells how many that were', async () => {
    let answer = (): void => undefined;
    const hangs = new Promise<void>((resolve) => (answer = resolve));
    const { writes, written, tasks } = setUp(() => hangs);
    const logged = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const underWay = 500;
    for (let number = 0; number < underWay + 20_003; number += 1) writes.add(number);
    await settled();
    answer();
    await settled();
    expect(written.flat()).toHaveLength(underWay + 20_000);
    expect(tasks.failures).toBe(1);
    expect(logged).toHaveBeenCalledWith('noting numbers failed', expect.stringContaining('3 were dropped'));
  });

  it('holds an orderly stop up for five seconds at most', async () => {
    const { time, writes, tasks } = setUp(() => new Promise(() => undefined));
    for (let number = 0; number < 1_200; number += 1) writes.add(number);
    let isClosed = false;
    void writes.close().then(() => (isClosed = true));
    await time.advance(4_999);
    expect(isClosed).toBe(false);
    await time.advance(1);
    expect(isClosed).toBe(true);
    expect(tasks.failures).toBe(0);
  });
});
