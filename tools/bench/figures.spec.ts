import { describe, expect, it } from '@jest/globals';
import { compared, median, quantile } from './figures.ts';

describe('median', () => {
  it('is the middle value, whatever the order', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 2, 33, 4, 100])).toBe(10);
  });

  it('is the mean of the two middle values of an even number', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('sorts by value, not by text', () => {
    expect(median([100, 9, 20])).toBe(20);
  });

  it('is no number where there is no value', () => {
    expect(median([])).toBeNaN();
  });

  it('leaves its input as it is', () => {
    const values = [3, 1, 2];

    median(values);
    quantile(values, 0.5);

    expect(values).toEqual([3, 1, 2]);
  });
});

describe('quantile', () => {
  const values = [15, 20, 35, 40, 50];

  it('is the smallest value that the stated share does not exceed', () => {
    expect([0, 0.05, 0.2, 0.3, 0.4, 0.5, 0.99, 1].map((fraction) => quantile(values, fraction))).toEqual([
      15, 15, 15, 20, 20, 35, 50, 50,
    ]);
  });

  it('is no number where there is no value', () => {
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('compared', () => {
  it('takes the medians of both, and as ratio the median of the ratios of the rounds', () => {
    const rounds = [
      { value: 10, yardstick: 20 },
      { value: 30, yardstick: 10 },
      { value: 20, yardstick: 100 },
    ];

    expect(compared(rounds, 'things/s', 'another')).toEqual({
      value: 20,
      unit: 'things/s',
      yardstick: { name: 'another', value: 20 },
      ratio: 0.5,
    });
  });
});
