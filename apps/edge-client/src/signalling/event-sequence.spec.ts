import { describe, expect, it } from '@jest/globals';
import { EventSequence } from './event-sequence.ts';

describe('EventSequence', () => {
  it('takes numbered events once and in order, and notices a gap', () => {
    const sequence = new EventSequence();

    expect([1, 2, 2, 1, 3, 5, 4, 6].map((number) => sequence.judge(number))).toEqual([
      'take',
      'take',
      'duplicate',
      'duplicate',
      'take',
      'gap',
      'duplicate',
      'take',
    ]);
    expect(sequence.last).toBe(6);
  });

  it('takes events that are not replayed whenever they come', () => {
    const sequence = new EventSequence();

    expect([0, 0, 1, 0].map((number) => sequence.judge(number))).toEqual(['take', 'take', 'take', 'take']);
  });

  it('counts anew after a fresh sign-in', () => {
    const sequence = new EventSequence();
    sequence.judge(9);
    sequence.reset();

    expect(sequence.judge(1)).toBe('take');
  });
});
