import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import { LoadMeter, memoryLimit } from './load-meter.ts';

const meters: LoadMeter[] = [];
afterEach(() => {
  for (const meter of meters.splice(0)) meter.stop();
});

function meterOf(relayed: readonly (number | undefined)[] = []): LoadMeter {
  const left = [...relayed];
  const meter = new LoadMeter({
    connections: () => 3,
    relayedBytes: () => Promise.resolve(left.shift()),
  });
  meters.push(meter);
  return meter;
}

/** Keeps the only thread busy, as a request that takes too long does. */
function block(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
};

describe('LoadMeter', () => {
  it('sees that the event loop stood still, and for some samples more', async () => {
    const meter = meterOf();
    await turns(30);
    block(200);
    await turns(30);

    const busy = await meter.sample();
    await turns(30);
    const after = await meter.sample();

    expect(busy.eventLoopDelayMs).toBeGreaterThan(100);
    expect(after.eventLoopDelayMs).toBe(busy.eventLoopDelayMs);
    expect(busy.cpu).toBeGreaterThan(0.3);
  });

  it('gives shares between nothing and all', async () => {
    const load = await meterOf().sample();

    for (const value of [load.cpu, load.memory]) {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThanOrEqual(1);
    }
    expect(load.connections).toBe(3);
  });

  it('makes a rate of the bytes relayed, also across a relay that was started again', async () => {
    const meter = meterOf([1_000, 501_000, undefined, 700_000, 400, 1_400]);
    const rates: number[] = [];
    for (let sample = 0; sample < 6; sample += 1) {
      block(10);
      rates.push((await meter.sample()).relayBytesPerSecond);
    }

    expect(rates.map((rate) => rate > 0)).toEqual([false, true, false, false, false, true]);
    expect(rates[1]).toBeLessThanOrEqual(50_000_000);
  });
});

describe('memoryLimit', () => {
  it('is that of the control group where there is one', () => {
    expect(memoryLimit(512, 4_096)).toBe(512);
    expect(memoryLimit(0, 4_096)).toBe(4_096);
    expect(memoryLimit(2 ** 63, 4_096)).toBe(4_096);
  });
});
