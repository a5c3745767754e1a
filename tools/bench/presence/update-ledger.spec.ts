import { describe, expect, it } from '@jest/globals';
import { UpdateLedger } from './update-ledger.ts';

function ledgerWith(watchers: number): UpdateLedger {
  const ledger = new UpdateLedger();
  ledger.publisher('ann', watchers);
  return ledger;
}

describe('UpdateLedger', () => {
  it('counts from when an update was due to each watcher, apart for the two places', () => {
    const ledger = ledgerWith(2);
    expect(ledger.begin('ann', 100)).toBe(1);
    ledger.saw('ann', 'ben', 'same', 1, 110);
    expect(ledger.missing).toBe(1);
    ledger.saw('ann', 'clara', 'other', 1, 130);

    expect(ledger.missing).toBe(0);
    expect(ledger.takeLatencies()).toEqual({ same: [10], other: [30] });
    expect(ledger.takeLatencies()).toEqual({ same: [], other: [] });
  });

  it('takes a later update for all before it, and nothing twice', () => {
    const ledger = ledgerWith(1);
    ledger.begin('ann', 0);
    ledger.begin('ann', 40);
    ledger.saw('ann', 'ben', 'same', 2, 100);
    ledger.saw('ann', 'ben', 'same', 1, 120);
    ledger.saw('ann', 'ben', 'same', 2, 130);
    ledger.saw('david', 'ben', 'same', 1, 130);

    expect(ledger.missing).toBe(0);
    expect(ledger.takeLatencies()).toEqual({ same: [100, 60], other: [] });
  });

  it('says when all watchers have seen the newest', async () => {
    const ledger = ledgerWith(2);
    await ledger.seenByAll('ann');
    ledger.begin('ann', 0);
    let isSeen = false;
    const seen = ledger.seenByAll('ann').then(() => (isSeen = true));
    ledger.saw('ann', 'ben', 'same', 1, 1);
    await Promise.resolve();
    expect(isSeen).toBe(false);
    ledger.saw('ann', 'clara', 'same', 1, 2);

    await seen;
    expect(isSeen).toBe(true);
  });
});
