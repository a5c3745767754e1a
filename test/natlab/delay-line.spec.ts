import { describe, expect, it } from '@jest/globals';
import { DelayLine } from './delay-line.ts';

const packet = (number: number): Uint8Array => Uint8Array.of(number);

function drain(line: DelayLine, now: number): number[] {
  const taken: number[] = [];
  for (;;) {
    const next = line.takeDue(now);
    if (next === undefined) return taken;
    taken.push(next[0]!);
  }
}

describe('DelayLine', () => {
  it('holds each packet for the delay, in order, and says when the next one is due', () => {
    const line = new DelayLine({ delayMs: 25, loss: 0, seed: 1 });

    line.add(packet(1), 100);
    line.add(packet(2), 100.5);
    line.add(packet(3), 110);

    expect(line.nextDueAt()).toBe(125);
    expect(drain(line, 124.9)).toEqual([]);
    expect(drain(line, 125.5)).toEqual([1, 2]);
    expect(line.nextDueAt()).toBe(135);
    expect(drain(line, 200)).toEqual([3]);
    expect(line.nextDueAt()).toBeUndefined();
  });

  it('keeps the order over thousands of packets that come while others leave', () => {
    const line = new DelayLine({ delayMs: 10, loss: 0, seed: 1 });
    const left: number[] = [];

    for (let now = 0; now < 5_000; now += 1) {
      line.add(packet(now % 251), now);
      left.push(...drain(line, now));
    }
    left.push(...drain(line, 10_000));

    expect(left).toEqual(Array.from({ length: 5_000 }, (_, number) => number % 251));
  });

  it('loses the stated share of the packets, and counts them', () => {
    const line = new DelayLine({ delayMs: 0, loss: 0.1, seed: 7 });

    for (let number = 0; number < 10_000; number += 1) line.add(packet(0), 0);
    const left = drain(line, 0).length;

    expect(line.lost).toBe(10_000 - left);
    expect(line.lost).toBeGreaterThan(900);
    expect(line.lost).toBeLessThan(1_100);
  });

  it('loses the same packets with the same seed, and others with another', () => {
    const survivors = (seed: number): number[] => {
      const line = new DelayLine({ delayMs: 0, loss: 0.5, seed });
      for (let number = 0; number < 200; number += 1) line.add(packet(number), 0);
      return drain(line, 0);
    };

    expect(survivors(3)).toEqual(survivors(3));
    expect(survivors(3)).not.toEqual(survivors(4));
  });
});
