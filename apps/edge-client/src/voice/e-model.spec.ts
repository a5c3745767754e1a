import { describe, expect, it } from '@jest/globals';
import { meanOpinionScore, transmissionRating } from './e-model.ts';

const clean = { delayMs: 0, lossFraction: 0, burstRatio: 1 };

describe('E-model (ITU-T G.107)', () => {
  it('rates a call without loss or delay by the codec alone', () => {
    expect(transmissionRating(clean)).toBeCloseTo(88.2, 5);
    expect(meanOpinionScore(clean)).toBeCloseTo(4.29, 2);
  });

  it('follows the published formula for loss and for delay', () => {
    // 5 + 90 * 5 / (5 + 10) = 35
    expect(transmissionRating({ ...clean, lossFraction: 0.05 })).toBeCloseTo(93.2 - 35, 5);
    // 0.024 * 277.3 + 0.11 * 100 = 17.6552
    expect(transmissionRating({ ...clean, delayMs: 277.3 })).toBeCloseTo(88.2 - 17.6552, 4);
  });

  it('rates bursts worse than scattered loss', () => {
    const scattered = meanOpinionScore({ delayMs: 100, lossFraction: 0.05, burstRatio: 1 });
    const bursts = meanOpinionScore({ delayMs: 100, lossFraction: 0.05, burstRatio: 3 });

    expect(bursts).toBeLessThan(scattered);
  });

  it('believes a burst ratio as far as the model is valid: 8, and 2 from a loss of 2% on', () => {
    const rating = (lossFraction: number, burstRatio: number) =>
      transmissionRating({ delayMs: 0, lossFraction, burstRatio });

    // 5 + 90 * 1 / (1 / 8 + 10), and 5 + 90 * 5 / (5 / 2 + 10)
    expect(rating(0.01, 8)).toBeCloseTo(93.2 - 5 - 8.888889, 5);
    expect(rating(0.01, 35)).toBe(rating(0.01, 8));
    expect(rating(0.05, 2)).toBeCloseTo(93.2 - 41, 5);
    expect(rating(0.05, 35)).toBe(rating(0.05, 2));
    expect(rating(0.01, 0.5)).toBe(rating(0.01, 1));
  });

  it('never rates more loss better, whatever the bursts', () => {
    for (const burstRatio of [1, 2, 8, 35]) {
      const ratings = Array.from({ length: 200 }, (_, step) =>
        transmissionRating({ delayMs: 0, lossFraction: step / 2_000, burstRatio }),
      );
      expect(ratings).toEqual([...ratings].sort((a, b) => b - a));
    }
  });

  it('falls with every impairment and stays from 1 to 4.5', () => {
    let last = 4.5;
    for (let percent = 0; percent <= 100; percent += 1) {
      const score = meanOpinionScore({ delayMs: percent * 10, lossFraction: percent / 100, burstRatio: 1 });
      expect(score).toBeLessThanOrEqual(last);
      expect(score).toBeGreaterThanOrEqual(1);
      last = score;
    }
    expect(last).toBe(1);
  });
});
