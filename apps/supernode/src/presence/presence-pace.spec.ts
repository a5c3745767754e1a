import { PresencePace } from './presence-pace.ts';

describe('PresencePace', () => {
  it('lets a burst out after the window and then keeps the rate, for each user', () => {
    const pace = new PresencePace({ windowMs: 50, burst: 3, perMinute: 60 });
    const waits = [0, 60, 120, 180].map((now) => pace.announce('alice', now));
    expect(waits).toEqual([50, 50, 50, 820]);
    expect(pace.announce('bob', 180)).toBe(50);
  });

  it('gives the budget back with time', () => {
    const pace = new PresencePace({ windowMs: 0, burst: 2, perMinute: 60 });
    expect([0, 0, 0].map((now) => pace.announce('alice', now))).toEqual([0, 0, 1000]);
    expect([10_000, 10_000, 10_000].map((now) => pace.announce('alice', now))).toEqual([0, 0, 1000]);
  });

  it('forgets who is within the budget', () => {
    const pace = new PresencePace({ windowMs: 0, burst: 2, perMinute: 60 });
    for (let n = 0; n < 5000; n += 1) pace.announce(`user-${n}`, n * 10);
    expect(pace['wholeAt'].size).toBeLessThan(1200);
  });
});
