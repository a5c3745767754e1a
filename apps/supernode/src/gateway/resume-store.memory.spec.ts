import { describe, expect, it } from '@jest/globals';
import { MemoryResumeStore } from './resume-store.memory.ts';
import { isComplete } from './resume-store.port.ts';
import { describeResumeStore } from './testing/resume-store.contract.ts';

describeResumeStore('memory', () => new MemoryResumeStore());

describe('isComplete', () => {
  it.each([
    ['has seen everything', 5, true],
    ['misses what is kept', 3, true],
    ['misses exactly what is kept', 2, true],
    ['misses an event that fell out', 1, false],
    ['claims more than was sent', 6, false],
  ])('of a device that %s (%i): %s', (_what, lastSequence, expected) => {
    expect(isComplete({ sequence: 5, completeSince: 2 }, lastSequence)).toBe(expected);
  });
});
