import { describe, expect, it } from '@jest/globals';
import { AsyncQueue } from './async-queue.ts';

async function rest<T>(queue: AsyncQueue<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

describe('AsyncQueue', () => {
  it('gives items in order, those that wait for an item first', async () => {
    const queue = new AsyncQueue<number>(4);
    const iterator = queue[Symbol.asyncIterator]();
    const waiting = [iterator.next(), iterator.next()];
    for (const item of [1, 2, 3]) queue.push(item);
    queue.end();

    expect(await Promise.all(waiting)).toEqual([
      { value: 1, done: false },
      { value: 2, done: false },
    ]);
    expect(await rest(queue)).toEqual([3]);
  });

  it('loses the oldest when full and says so', async () => {
    const queue = new AsyncQueue<number>(2);

    expect([1, 2, 3].map((item) => queue.push(item))).toEqual([true, true, false]);
    queue.end();
    expect(await rest(queue)).toEqual([2, 3]);
  });

  it('takes nothing after its end and releases who waits', async () => {
    const queue = new AsyncQueue<number>(2);
    const waiting = queue[Symbol.asyncIterator]().next();
    queue.end();

    expect(queue.push(1)).toBe(false);
    expect(await waiting).toEqual({ value: undefined, done: true });
    expect(await rest(queue)).toEqual([]);
  });
});
