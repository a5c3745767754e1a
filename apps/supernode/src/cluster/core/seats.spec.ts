import { describe, expect, it } from '@jest/globals';
import type { Instant } from '@parley/nat';
import fc from 'fast-check';
import { DEFAULT_CLUSTER_SETTINGS } from './cluster-settings.ts';
import { HeldConditions } from './hysteresis.ts';
import { newestVersion, scoreOf, scoreTerms, smoothedLoad, versionTerm } from './score.ts';
import { seatsForOneLoss, seatsNeeded, seatsTolerated } from './seats.ts';
import { IDLE_LOAD, recordOf } from './testing/assessed-nodes.ts';

const SETTINGS = { ...DEFAULT_CLUSTER_SETTINGS, minimumSeats: 2, maximumSeats: 8 };

describe('seats of a region', () => {
  it('are enough for the clients at the wanted fill, with one to spare, between minimum and maximum', () => {
    const needed = (connections: number) => seatsNeeded({ connections, capacity: 1000 }, SETTINGS);

    expect([0, 700, 701, 2100, 2101, 1e6].map(needed)).toEqual([2, 2, 3, 4, 5, 8]);
  });

  it('are tolerated up to a much lower fill: 20% more or less never crosses both limits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000 }), (connections) => {
        const quiet = seatsNeeded({ connections: connections * 0.8, capacity: 1000 }, SETTINGS);
        const busy = seatsNeeded({ connections: connections * 1.2, capacity: 1000 }, SETTINGS);
        const tolerated = seatsTolerated({ connections: connections * 0.8, capacity: 1000 }, SETTINGS);

        expect(quiet).toBeLessThanOrEqual(busy);
        expect(busy).toBeLessThanOrEqual(tolerated);
      }),
    );
  });

  it('can bear the loss of one as long as the others could be filled completely', () => {
    expect(seatsForOneLoss({ connections: 2000, capacity: 1000 })).toBe(3);
    expect(seatsForOneLoss({ connections: 2001, capacity: 1000 })).toBe(4);
    expect(seatsForOneLoss({ connections: 0, capacity: 0 })).toBe(1);
  });
});

describe('the score', () => {
  const scoreAt = (load: Partial<typeof IDLE_LOAD>, others: Partial<ReturnType<typeof recordOf>> = {}) => {
    const terms = scoreTerms(
      recordOf('a', others),
      { ...IDLE_LOAD, ...load },
      'verified',
      '1.0.0',
      DEFAULT_CLUSTER_SETTINGS,
    );
    return scoreOf(terms, DEFAULT_CLUSTER_SETTINGS.scoreWeights);
  };

  it('has weights that add up to 1, so that it lies between 0 and 1', () => {
    const weights = Object.values(DEFAULT_CLUSTER_SETTINGS.scoreWeights);

    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9);
  });

  it('is enough for promotion when idle, even just started, and too low when overloaded', () => {
    expect(scoreAt({})).toBeGreaterThan(DEFAULT_CLUSTER_SETTINGS.promoteScore);
    expect(scoreAt({}, { uptimeMs: 0 })).toBeGreaterThan(DEFAULT_CLUSTER_SETTINGS.promoteScore);
    expect(scoreAt({ cpu: 1, eventLoopDelayMs: 5_000, memory: 1 })).toBeLessThan(
      DEFAULT_CLUSTER_SETTINGS.demoteScore,
    );
  });

  it('compares with the limits of the supernode itself', () => {
    const small = { connections: 100, relayBytesPerSecond: 1_000, eventLoopDelayMs: 10 };

    expect(scoreAt({ eventLoopDelayMs: 10 }, { capacity: small })).toBeLessThan(
      scoreAt({ eventLoopDelayMs: 10 }),
    );
  });

  it('costs an old version a little, and an older major one all of the term', () => {
    expect(newestVersion(['1.2.3', '1.10.0', 'nonsense', '1.9.9'])).toBe('1.10.0');
    expect(['1.10.0', '1.9.9', '0.9.0', '2.0.0', '1.10.1'].map((v) => versionTerm(v, '1.10.0'))).toEqual([
      1, 0.5, 0, 1, 1,
    ]);
    expect(versionTerm('1.10.0', '1.10.2')).toBe(0.9);
  });

  it('is smoothed by time, whatever the rhythm of the samples', () => {
    const busy = { ...IDLE_LOAD, cpu: 1 };
    let stepwise = IDLE_LOAD;
    for (let step = 0; step < 10; step += 1) stepwise = smoothedLoad(stepwise, busy, 3_000, 30_000);

    expect(stepwise.cpu).toBeCloseTo(smoothedLoad(IDLE_LOAD, busy, 30_000, 30_000).cpu, 9);
    expect(stepwise.cpu).toBeCloseTo(1 - 0.9 / Math.E, 9);
  });
});

describe('conditions that must hold', () => {
  it('count from when they began, and begin anew after a break', () => {
    const held = new HeldConditions();
    const note = (holds: boolean, now: number) => held.note('it', holds, now as Instant);

    expect([note(true, 0), note(true, 500), note(false, 600), note(true, 700), note(true, 1_000)]).toEqual([
      0,
      500,
      undefined,
      0,
      300,
    ]);
    held.retain(() => false);
    expect(note(true, 2_000)).toBe(0);
  });
});
