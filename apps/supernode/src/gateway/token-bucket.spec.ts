import { describe, expect, it } from '@jest/globals';
import { TokenBucket } from './token-bucket.ts';

describe('TokenBucket', () => {
  it('admits the burst, then the rate, and says how long to wait', () => {
    const bucket = new TokenBucket(10, 3, 0);

    expect([0, 0, 0, 0].map((now) => bucket.take(now))).toEqual([0, 0, 0, 100]);
    expect(bucket.take(100)).toBe(0);
    expect(bucket.take(150)).toBe(50);
  });

  it('takes what a request costs, or nothing of it', () => {
    const bucket = new TokenBucket(10, 5, 0);

    expect(bucket.take(0, 3)).toBe(0);
    expect(bucket.take(0, 3)).toBe(100);
    expect(bucket.take(0, 2)).toBe(0);
    expect(bucket.take(0, 5)).toBe(500);
  });

  it('never holds more than the burst, and ignores a clock that runs backwards', () => {
    const bucket = new TokenBucket(10, 2, 0);
    bucket.take(0);

    expect([60_000, 60_000, 60_000].map((now) => bucket.take(now))).toEqual([0, 0, 100]);
    expect(bucket.take(0)).toBe(100);
  });

  it('gives a share of burst and rate, and one request at the least', () => {
    const bucket = new TokenBucket(10, 10, 0);

    expect([0, 0, 0].map((now) => bucket.take(now, 1, 0.2))).toEqual([0, 0, 500]);
    expect(bucket.take(500, 1, 0.2)).toBe(0);
    expect(new TokenBucket(10, 4, 0).take(0, 1, 0.1)).toBe(0);
  });

  it('takes back what was not needed', () => {
    const bucket = new TokenBucket(10, 1, 0);
    bucket.take(0);
    bucket.giveBack();
    bucket.giveBack();

    expect([0, 0].map((now) => bucket.take(now))).toEqual([0, 100]);
  });
});
