import { instant } from '../time/instant.ts';
import { ClientTransaction, DEFAULT_RETRANSMISSION } from './client-transaction.ts';
import { StunMessageBuilder } from './message-builder.ts';
import { Method } from './message-type.ts';
import { transactionIdKey } from './transaction-id.ts';

const ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
const REQUEST = new StunMessageBuilder('request', Method.BINDING, ID).toBytes();
const SEND = [{ kind: 'send', bytes: REQUEST }];

describe('ClientTransaction (RFC 8489 section 6.2.1)', () => {
  it('sends at 0, 500, 1500, 3500, 7500, 15500 and 31500 ms and gives up at 39500 ms', () => {
    const transaction = new ClientTransaction(REQUEST);
    const start = 1000;
    const log: [number, string][] = [];

    let outputs = transaction.start(instant(start));
    let now = start;
    for (;;) {
      for (const output of outputs) log.push([now - start, output.kind]);
      const next = transaction.nextTimeoutAt();
      if (next === undefined) break;
      expect(transaction.handleTimeout(instant(next - 1))).toEqual([]);
      now = next;
      outputs = transaction.handleTimeout(next);
    }

    expect(log).toEqual([
      [0, 'send'],
      [500, 'send'],
      [1500, 'send'],
      [3500, 'send'],
      [7500, 'send'],
      [15_500, 'send'],
      [31_500, 'send'],
      [39_500, 'timed-out'],
    ]);
    expect(transaction.transmissions).toBe(DEFAULT_RETRANSMISSION.rc);
  });

  it('retransmits the same bytes, late if the timer is late, and only once per timeout', () => {
    const transaction = new ClientTransaction(REQUEST);
    expect(transaction.start(instant(0))).toEqual(SEND);

    expect(transaction.handleTimeout(instant(499))).toEqual([]);
    expect(transaction.handleTimeout(instant(700))).toEqual(SEND);
    expect(transaction.handleTimeout(instant(700))).toEqual([]);
    expect(transaction.nextTimeoutAt()).toBe(1700);
  });

  it('is silent after its end and before its start', () => {
    const transaction = new ClientTransaction(REQUEST);
    expect(transaction.nextTimeoutAt()).toBeUndefined();
    expect(transaction.handleTimeout(instant(0))).toEqual([]);
    transaction.start(instant(0));

    transaction.end();

    expect(transaction.nextTimeoutAt()).toBeUndefined();
    expect(transaction.handleTimeout(instant(100_000))).toEqual([]);
  });

  it('follows other parameters', () => {
    const transaction = new ClientTransaction(REQUEST, { rto: 100, rc: 1, rm: 3 });
    transaction.start(instant(0));

    expect(transaction.nextTimeoutAt()).toBe(300);
    expect(transaction.handleTimeout(instant(300))).toEqual([{ kind: 'timed-out' }]);
    expect(transaction.handleTimeout(instant(900))).toEqual([]);
  });

  it('is found by the transaction id of the request', () => {
    expect(new ClientTransaction(REQUEST).key).toBe(transactionIdKey(ID));
  });
});
