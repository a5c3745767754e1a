import { describe, expect, it } from '@jest/globals';
import { ReplayWindow } from './replay-window.ts';

describe('ReplayWindow', () => {
  it('takes a key once within the window and again after it', () => {
    const window = new ReplayWindow({ windowMs: 100, capacity: 10 });

    expect(window.judge('a', 0)).toBe('fresh');
    expect(window.judge('a', 99)).toBe('replayed');
    expect(window.judge('b', 99)).toBe('fresh');
    expect(window.judge('a', 100)).toBe('fresh');
    expect(window.judge('b', 198)).toBe('replayed');
  });

  it('refuses when it is full instead of forgetting what could be replayed', () => {
    const window = new ReplayWindow({ windowMs: 100, capacity: 2 });
    window.judge('a', 0);
    window.judge('b', 10);

    expect(window.judge('c', 20)).toBe('full');
    expect(window.judge('a', 20)).toBe('replayed');
    expect(window.judge('c', 100)).toBe('fresh');
  });
});
