import { describe, expect, it } from '@jest/globals';
import { ManualTime, settled } from './clock/testing/manual-time.ts';
import { BatchQueue, type BatchLimits } from './batch-queue.ts';

const LIMITS: BatchLimits = {
  lingerMs: 5,
  maxItems: 3,
  maxWeight: 100,
  maxQueuedItems: 6,
  maxQueuedWeight: 400,
};

interface Batch {
  readonly items: readonly string[];
  readonly succeed: () => void;
  readonly fail: (error: Error) => void;
}

function setUp(isOfAll: (error: unknown) => boolean = () => true) {
  const time = new ManualTime();
  const batches: Batch[] = [];
  const queue = new BatchQueue<string, string>(
    (items) =>
      new Promise((resolve, reject) => {
        batches.push({ items, succeed: () => resolve(items.map((item) => `${item}!`)), fail: reject });
      }),
    LIMITS,
    time,
    isOfAll,
  );
  const results: string[] = [];
  const add = (item: string, weight = 1): void => {
    queue.add(item, weight).then(
      (outcome) => results.push(outcome),
      (error: unknown) => results.push(`${item}: ${String((error as { code?: string }).code ?? error)}`),
    );
  };
  const taken = (): string[] => batches.map(({ items }) => items.join(''));
  return { time, batches, queue, results, add, taken };
}

describe('BatchQueue', () => {
  it('lets the first item wait a moment for company', async () => {
    const { time, add, taken } = setUp();

    add('a');
    add('b');
    await time.advance(LIMITS.lingerMs - 1);
    expect(taken()).toEqual([]);
    await time.advance(1);

    expect(taken()).toEqual(['ab']);
  });

  it.each([
    ['number', 1],
    ['weight', 50],
  ])('does not wait when there is enough, by %s', (_what, weight) => {
    const { add, taken, time } = setUp();

    for (const item of ['a', 'b', 'c'].slice(0, weight === 1 ? 3 : 2)) add(item, weight);

    expect(taken()).toHaveLength(1);
    expect(time.pendingTimers).toBe(0);
  });

  it('commits one batch at a time, in order, and gathers the next meanwhile', async () => {
    const { add, taken, batches, results } = setUp();

    for (const item of ['a', 'b', 'c', 'd', 'e']) add(item);
    await settled();
    expect(taken()).toEqual(['abc']);
    batches[0]?.succeed();
    await settled();

    expect(taken()).toEqual(['abc', 'de']);
    expect(results).toEqual(['a!', 'b!', 'c!']);
  });

  it('keeps a batch below its weight, and takes an item that is heavier alone', async () => {
    const { add, taken, batches } = setUp();

    for (const [item, weight] of [
      ['a', 60],
      ['b', 60],
      ['c', 150],
      ['d', 10],
    ] as const)
      add(item, weight);
    for (let n = 0; n < 4; n += 1) {
      batches.at(-1)?.succeed();
      await settled();
    }

    expect(taken()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('starts again for what is added in the very turn in which the last batch ends', async () => {
    const { add, queue, taken, batches, time, results } = setUp();
    const chain = queue.add('a', 1).then(() => add('b'));
    await time.advance(LIMITS.lingerMs);

    batches[0]?.succeed();
    await chain;
    await time.advance(LIMITS.lingerMs);
    batches[1]?.succeed();
    await settled();

    expect(taken()).toEqual(['a', 'b']);
    expect(results).toEqual(['b!']);
  });

  it('refuses what is too much to keep, by number and by weight, and recovers', async () => {
    const { add, results, batches } = setUp();

    for (const item of ['a', 'b', 'c']) add(item);
    for (const item of ['d', 'e', 'f', 'g', 'h', 'i', 'j']) add(item);
    await settled();
    expect(results).toEqual(['j: RATE_LIMITED']);
    batches[0]?.succeed();
    await settled();
    add('heavy', 398);
    await settled();

    expect(results).toEqual(['j: RATE_LIMITED', 'a!', 'b!', 'c!', 'heavy: RATE_LIMITED']);
  });

  it('gives the error of a store that is away to all of the batch, and goes on', async () => {
    const { add, results, batches } = setUp();
    for (const item of ['a', 'b', 'c', 'd']) add(item);

    batches[0]?.fail(Object.assign(new Error('away'), { code: 'P1001' }));
    await settled();
    batches[1]?.succeed();
    await settled();

    expect(results).toEqual(['a: P1001', 'b: P1001', 'c: P1001', 'd!']);
  });

  it('finds the item that a commit fails of, and spares the others', async () => {
    const time = new ManualTime();
    const queue = new BatchQueue<string, string>(
      (items) => (items.includes('bad') ? Promise.reject(new TypeError('bad')) : Promise.resolve(items)),
      LIMITS,
      time,
      () => false,
    );

    const outcomes = Promise.allSettled(['a', 'bad', 'b'].map((item) => queue.add(item, 1)));

    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('commits what waits when it closes, and takes nothing more', async () => {
    const { add, queue, results, batches } = setUp();
    add('a');

    const closed = queue.close();
    add('b');
    await settled();
    batches[0]?.succeed();
    await closed;

    expect(results).toEqual(['b: SHUTTING_DOWN', 'a!']);
  });
});
