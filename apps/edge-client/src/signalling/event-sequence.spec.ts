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

  it('goes on where the supernode does after a resume, below what it has seen too', () => {
    let settled = 0;
    const sequence = new EventSequence(() => (settled += 1));
    for (const number of [1, 2, 3]) sequence.judge(number);
    sequence.resuming();
    expect(sequence.isOpen).toBe(true);

    expect(sequence.resumed(true, 2)).toBe(false);

    expect([sequence.isOpen, settled, sequence.last]).toEqual([false, 1, 2]);
    expect([3, 3].map((number) => sequence.judge(number))).toEqual(['take', 'duplicate']);
    sequence.resuming();
    expect(sequence.resumed(true, 9)).toBe(true); // what was missed is on its way
    expect(sequence.judge(4)).toBe('take');
    sequence.resuming();
    expect(sequence.resumed(true, undefined)).toBe(true);
    expect(sequence.last).toBe(4);
  });

  it('notices no gap that the resume has told of, and every other', () => {
    const sequence = new EventSequence();
    sequence.judge(1);
    sequence.resuming();
    expect(sequence.resumed(false, 7)).toBe(false);

    expect([5, 6, 8].map((number) => sequence.judge(number))).toEqual(['take', 'take', 'gap']);
    expect(sequence.resumed(false, 8)).toBe(false);
    sequence.reset();
    expect(sequence.judge(3)).toBe('gap');
  });
});
