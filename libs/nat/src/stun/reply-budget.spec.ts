import { transportAddress } from '../net/ip-address.ts';
import { instant } from '../time/instant.ts';
import { ReplyBudget } from './reply-budget.ts';

const source = (index: number) => transportAddress(`10.0.${index >> 8}.${index & 0xff}`, 1);

describe('ReplyBudget', () => {
  it('remembers a bounded number of sources and forgets the one that was silent longest', () => {
    const budget = new ReplyBudget({ perSecond: 1, burst: 1, maxSources: 3 });
    for (const index of [0, 1, 2]) expect(budget.take(source(index), instant(0))).toBe(true);
    expect(budget.take(source(0), instant(0))).toBe(false);

    expect(budget.take(source(3), instant(0))).toBe(true);

    expect(budget.size).toBe(3);
    expect(budget.take(source(0), instant(0))).toBe(false);
    expect(budget.take(source(1), instant(0))).toBe(true);
  });

  it('stays bounded under a flood of forged sources', () => {
    const budget = new ReplyBudget({ maxSources: 100 });

    for (let index = 0; index < 10_000; index += 1) budget.take(source(index), instant(index));

    expect(budget.size).toBe(100);
  });
});
