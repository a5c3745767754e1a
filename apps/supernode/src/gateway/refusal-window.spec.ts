import { describe, expect, it } from '@jest/globals';
import { RefusalWindow } from './refusal-window.ts';

describe('RefusalWindow', () => {
  it('is as long as it takes to serve those who were refused, beside others', () => {
    const window = new RefusalWindow(100, 0);

    const windows = Array.from({ length: 700 }, () => window.refused(0));

    expect(windows[0]).toBe(1000);
    expect(windows.at(-1)).toBeCloseTo(10_000);
  });

  it('shrinks again as they are served', () => {
    const window = new RefusalWindow(100, 0);
    for (let refused = 0; refused < 700; refused++) window.refused(0);

    expect(window.refused(5_000)).toBeCloseTo(5_014, 0);
    expect(window.refused(60_000)).toBe(1000);
  });

  it('is longer while a part of the rate is served, and has an end', () => {
    const window = new RefusalWindow(100, 0);
    for (let refused = 0; refused < 69; refused++) window.refused(0, 0.1);

    expect(window.refused(0, 0.1)).toBeCloseTo(10_000);
    for (let refused = 0; refused < 100_000; refused++) window.refused(0, 0.1);
    expect(window.refused(0, 0.1)).toBe(60_000);
  });
});
