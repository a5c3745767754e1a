import { describe, expect, it } from '@jest/globals';
import { instant } from '@parley/nat';
import { EarlyDatagrams } from './early-datagrams.ts';

function endOfSession() {
  const listeners = new Set<(bytes: Uint8Array) => void>();
  return {
    arrive: (bytes: Uint8Array) => {
      for (const listener of listeners) listener(bytes);
    },
    listeners,
    datagrams: {
      sendDatagram: () => true,
      onDatagram: (listener: (bytes: Uint8Array) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  };
}

describe('EarlyDatagrams', () => {
  it('gives what came before there was a listener, with its time, and then what comes', () => {
    let now = 100;
    const { arrive, datagrams, listeners } = endOfSession();
    const early = new EarlyDatagrams(datagrams, { monotonic: () => instant(now) });
    const reused = Uint8Array.of(1);
    arrive(reused);
    reused[0] = 9;
    now = 120;
    arrive(Uint8Array.of(2));
    now = 500;

    const heard: [number | undefined, number | undefined][] = [];
    const stop = early.onDatagram((bytes, at) => heard.push([bytes[0], at]));
    arrive(Uint8Array.of(3));
    stop();
    arrive(Uint8Array.of(4));

    expect(heard).toEqual([
      [1, 100],
      [2, 120],
      [3, undefined],
    ]);
    expect(listeners.size).toBe(0);
  });

  it('keeps a bounded number and counts the others', () => {
    const { arrive, datagrams } = endOfSession();
    const early = new EarlyDatagrams(datagrams, { monotonic: () => instant(0) });

    for (let number = 0; number < 130; number += 1) arrive(Uint8Array.of(number));

    const heard: number[] = [];
    early.onDatagram(([number = -1]) => heard.push(number));
    expect(heard).toEqual(Array.from({ length: 100 }, (_, number) => number));
    expect(early.lost).toBe(30);
  });
});
