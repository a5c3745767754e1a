import { describe, expect, it } from '@jest/globals';
import { peakRate } from './peak-rate.ts';

describe('peakRate', () => {
  it.each<[string, number[], number]>([
    ['nothing', [], 0],
    ['one', [5], 1],
    ['apart', [0, 1_000, 2_000], 1],
    ['within one window, in any order', [999, 0, 500], 3],
    ['the densest of several', [0, 2_000, 2_100, 2_999, 3_000, 9_000], 3],
  ])('counts %s', (_title, instants, peak) => {
    expect(peakRate(instants, 1_000)).toBe(peak);
  });
});
