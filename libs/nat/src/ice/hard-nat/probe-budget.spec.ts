import fc from 'fast-check';
import { after, instant, type Instant } from '../../time/instant.ts';
import { ProbeBudget } from './probe-budget.ts';

describe('ProbeBudget', () => {
  it('no second has more than 1,000 probes, however the loop is delayed', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 50, maxLength: 200 }), (waits) => {
        const budget = new ProbeBudget();
        const sent: Instant[] = [];
        let now = instant(0);
        for (const wait of waits) {
          now = after(now, wait);
          while (budget.take(now)) sent.push(now);
        }
        const isTooDense = sent.some((at, index) => {
          const thousandth = sent[index + 1000];
          return thousandth !== undefined && thousandth - at < 1000 - 1e-3;
        });
        expect(isTooDense).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it('says when the next probe may leave, and then it may', () => {
    const budget = new ProbeBudget();
    let now = instant(5);
    for (let count = 0; count < 100; count += 1) {
      while (budget.take(now));
      const next = budget.nextAt(now);
      expect(next).toBeGreaterThan(now);
      now = next;
      expect(budget.take(now)).toBe(true);
    }
  });

  it('twelve predictions per address at once, then one in 5 s', () => {
    const budget = new ProbeBudget();
    const many = (address: string, at: number) => {
      let count = 0;
      while (budget.startPrediction(address, instant(at))) count += 1;
      return count;
    };

    expect(many('203.0.113.1', 0)).toBe(12);
    expect(budget.nextPredictionAt('203.0.113.1')).toBe(5000);
    expect([many('203.0.113.1', 4999), many('203.0.113.1', 5000)]).toEqual([0, 1]);
    expect(many('203.0.113.2', 5000)).toBe(12);
    expect([many('203.0.113.1', 20_000), many('203.0.113.1', 1_000_000)]).toEqual([3, 12]);
  });

  it('one attempt per address in 20 s', () => {
    const budget = new ProbeBudget();

    expect(budget.startAttempt('203.0.113.1', instant(0))).toBe(true);
    expect(budget.startAttempt('203.0.113.1', instant(19_999))).toBe(false);
    expect(budget.startAttempt('203.0.113.2', instant(19_999))).toBe(true);
    expect(budget.startAttempt('203.0.113.1', instant(20_000))).toBe(true);
    expect(budget.nextAttemptAt('203.0.113.1')).toBe(40_000);
  });
});
