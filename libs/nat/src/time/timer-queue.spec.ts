import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { instant } from './instant.ts';
import { TimerQueue } from './timer-queue.ts';

const drain = (queue: TimerQueue<string>, now: number): string[] => {
  const due: string[] = [];
  for (;;) {
    const value = queue.takeDue(instant(now));
    if (value === undefined) return due;
    due.push(value);
  }
};

describe('TimerQueue', () => {
  it('gives nothing before, and the value at its instant', () => {
    const queue = new TimerQueue<string>();
    queue.add('a', instant(10));

    expect(drain(queue, 9)).toEqual([]);
    expect(queue.nextAt()).toBe(10);
    expect(drain(queue, 10)).toEqual(['a']);
    expect(queue.nextAt()).toBeUndefined();
  });

  it('moves a timer both ways and revives one that fired', () => {
    const queue = new TimerQueue<string>();
    const a = queue.add('a', instant(10));
    queue.add('b', instant(20));

    queue.move(a, instant(30));
    expect(drain(queue, 20)).toEqual(['b']);
    queue.move(a, instant(21));
    expect(drain(queue, 21)).toEqual(['a']);
    queue.move(a, instant(40));
    expect(queue.nextAt()).toBe(40);
  });

  it('removes a timer once, whatever its place', () => {
    const queue = new TimerQueue<string>();
    const timers = ['a', 'b', 'c', 'd'].map((name, at) => queue.add(name, instant(at)));

    queue.remove(timers[1]!);
    queue.remove(timers[1]!);
    expect(queue.size).toBe(3);
    expect(drain(queue, 9)).toEqual(['a', 'c', 'd']);
  });

  it('takes values in order of time under any sequence of add, move and remove', () => {
    const operation = fc.record({
      kind: fc.constantFrom('add', 'move', 'remove'),
      which: fc.nat(40),
      at: fc.nat(1000),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
        const queue = new TimerQueue<number>();
        const timers: ReturnType<typeof queue.add>[] = [];
        const model = new Map<number, number>();
        for (const { kind, which, at } of operations) {
          const timer = timers[which % Math.max(1, timers.length)];
          if (kind === 'add' || timer === undefined) {
            model.set(timers.length, at);
            timers.push(queue.add(timers.length, instant(at)));
          } else if (kind === 'move') {
            queue.move(timer, instant(at));
            model.set(timer.value, at);
          } else {
            queue.remove(timer);
            model.delete(timer.value);
          }
        }

        const taken: number[] = [];
        for (
          let value = queue.takeDue(instant(1000));
          value !== undefined;
          value = queue.takeDue(instant(1000))
        )
          taken.push(value);
        expect(taken.map((value) => model.get(value))).toEqual([...model.values()].sort((a, b) => a - b));
        expect(new Set(taken)).toEqual(new Set(model.keys()));
      }),
    );
  });
});
