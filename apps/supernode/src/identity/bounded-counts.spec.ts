import { describe, expect, it } from '@jest/globals';
import { BoundedCounts } from './bounded-counts.ts';

describe('BoundedCounts', () => {
  it('counts per key', () => {
    const counts = new BoundedCounts(1000, 10);

    expect([counts.add('a', 0), counts.add('a', 1), counts.add('b', 2)]).toEqual([1, 2, 1]);
  });

  it('lets the window before fade and forgets the one before that', () => {
    const counts = new BoundedCounts(1000, 10);
    for (let event = 0; event < 4; event++) counts.add('a', 0);

    expect(counts.add('a', 1500)).toBe(3); // 1 + 4 * (1 - 0.5)
    expect(counts.add('a', 3000)).toBe(1);
  });

  it('estimates without counting', () => {
    const counts = new BoundedCounts(1000, 10);
    for (let event = 0; event < 4; event++) counts.add('a', 0);

    const at = [0, 0, 1500, 2000].map((now) => counts.estimate('a', now));
    expect(at).toEqual([4, 4, 2, 0]);
    expect(counts.estimate('never counted', 0)).toBe(0);
  });

  it('remembers a bounded number of keys, the newest', () => {
    const counts = new BoundedCounts(1000, 2);
    for (const key of ['a', 'b', 'a', 'c']) counts.add(key, 0);

    expect(counts.add('a', 0)).toBe(3);
    expect(counts.add('b', 0)).toBe(1);
  });
});
