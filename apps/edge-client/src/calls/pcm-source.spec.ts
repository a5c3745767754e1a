import { describe, expect, it } from '@jest/globals';
import { AsyncQueue } from '../session/async-queue.ts';
import { PcmSource } from './pcm-source.ts';

const FRAME = 4;
const count = (from: number, to: number) => Int16Array.from({ length: to - from }, (_, at) => from + at);
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('PcmSource', () => {
  it('cuts samples into frames and fills the last one up with silence', async () => {
    const source = new PcmSource(count(1, 7), FRAME);

    expect([source.read(), source.read(), source.read()].map((frame) => frame && [...frame])).toEqual([
      [1, 2, 3, 4],
      [5, 6, 0, 0],
      undefined,
    ]);
    await source.finished;
  });

  it('joins pieces of any length, and is silent while it waits for more', async () => {
    const pieces = new AsyncQueue<Int16Array>(10);
    const source = new PcmSource(pieces, FRAME);
    pieces.push(count(1, 4));
    await nextTurn();
    expect(source.read()).toBeUndefined();

    pieces.push(count(4, 10));
    await nextTurn();
    expect([...source.read()!]).toEqual([1, 2, 3, 4]);
    expect([...source.read()!]).toEqual([5, 6, 7, 8]);
    expect(source.read()).toBeUndefined();

    pieces.end();
    await nextTurn();
    expect([...source.read()!]).toEqual([9, 0, 0, 0]);
    await source.finished;
  });

  it('takes no more than half a second ahead', async () => {
    let given = 0;
    const endless = {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          await Promise.resolve();
          given += 1;
          yield count(0, FRAME);
        }
      },
    };
    const source = new PcmSource(endless, FRAME);
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();

    expect(given).toBe(25);
    source.stop();
    await source.finished;
    expect(source.read()).toBeUndefined();
  });

  it('says everything that came before a failure, and what failed', async () => {
    const failing = {
      async *[Symbol.asyncIterator]() {
        await Promise.resolve();
        yield count(1, 5);
        throw new TypeError('unplugged');
      },
    };
    const source = new PcmSource(failing, FRAME);

    await expect(source.finished).rejects.toThrow('unplugged');
    expect([...source.read()!]).toEqual([1, 2, 3, 4]);
  });
});
