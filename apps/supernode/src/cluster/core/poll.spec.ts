import { describe, expect, it } from '@jest/globals';
import type { Instant } from '@parley/nat';
import { Poll } from './poll.ts';

const at = (ms: number) => ms as Instant;

describe('a repeated request', () => {
  it('is made one at a time, in its rhythm', () => {
    const poll = new Poll(2_000, at(0));
    expect(poll.isDue(at(0))).toBe(true);
    poll.sent(at(0), 1_000);
    expect(poll.isDue(at(1_500))).toBe(false);

    poll.ended(at(0), at(1_600));
    expect(poll.isDue(at(1_600))).toBe(true);
  });

  it('is given up once when no answer comes', () => {
    const poll = new Poll(2_000, at(0));
    poll.sent(at(0), 1_000);
    expect(poll.nextAt()).toBe(2_000);

    expect(poll.takeOverdue(at(1_999))).toBeUndefined();
    expect(poll.takeOverdue(at(2_000))).toBe(0);
    expect(poll.takeOverdue(at(2_000))).toBeUndefined();
    expect(poll.isDue(at(2_000))).toBe(true);
  });

  it('is made again at once after one that was under way when it was hurried', () => {
    const poll = new Poll(2_000, at(0));
    poll.sent(at(0), 1_000);
    poll.hurry(at(10));
    expect(poll.isDue(at(10))).toBe(false);

    poll.ended(at(0), at(20));
    expect(poll.isDue(at(20))).toBe(true);
    poll.sent(at(20), 1_000);
    poll.ended(at(20), at(30));
    expect(poll.isDue(at(30))).toBe(false);
    poll.hurry(at(40));
    expect(poll.isDue(at(40))).toBe(true);
  });

  it('is not ended by the answer to another one', () => {
    const poll = new Poll(2_000, at(0));
    poll.sent(at(100), 1_000);
    poll.ended(at(0), at(150));

    expect(poll.nextAt()).toBe(2_100);
  });
});
