import { describe, expect, it } from '@jest/globals';
import { unleashChaos } from './testing/cluster-chaos.ts';
import { InvariantViolation } from './testing/cluster-invariants.ts';
import { ClusterSimulation, type PlantedFault } from './testing/cluster-simulation.ts';

/** One seed again, with its history: `PARLEY_SIM_SEED=1234`. More than the everyday number: `PARLEY_SIM_SEEDS=10000`. */
const ONE_SEED = process.env['PARLEY_SIM_SEED'];
const SEEDS = Number(process.env['PARLEY_SIM_SEEDS'] ?? 500);
const FIRST_SEED = Number(process.env['PARLEY_SIM_FIRST_SEED'] ?? 1);

const CHAOS_MS = 30_000;
/** Everything is healed at once and everybody restarted: the lease store's return, a roster and a handover. */
const CONVERGES_WITHIN_MS = 20_000;

const PLANTED_SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);

interface Outcome {
  readonly seed: number;
  readonly convergedMs: number;
  readonly epochs: number;
}

function simulate(seed: number, planted?: PlantedFault): Outcome {
  const simulation = new ClusterSimulation({ seed, ...(planted === undefined ? {} : { planted }) });
  try {
    for (const nodeId of simulation.ids) {
      simulation.clock.schedule(simulation.random.nextInteger(0, 3_000), () => simulation.start(nodeId));
    }
    simulation.clock.advance(9_000);
    unleashChaos(simulation, CHAOS_MS);
    simulation.clock.advance(CHAOS_MS);
    simulation.heal();
    const convergedMs = simulation.converge(CONVERGES_WITHIN_MS);
    if (convergedMs === undefined) {
      throw new InvariantViolation(`not healed after ${CONVERGES_WITHIN_MS} ms: ${simulation.problem ?? ''}`);
    }
    return { seed, convergedMs, epochs: simulation.database.roster.epoch };
  } catch (error) {
    if (!(error instanceof InvariantViolation)) throw error;
    const last = ONE_SEED === undefined ? simulation.history.slice(-25) : simulation.history;
    throw new InvariantViolation(
      `seed ${seed}: ${error.message}\n  ${last.join('\n  ')}\nReplay: PARLEY_SIM_SEED=${seed}`,
    );
  }
}

describe('a cluster in a simulation', () => {
  it('keeps every invariant in every history, and heals', () => {
    const seeds =
      ONE_SEED === undefined ? Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i) : [Number(ONE_SEED)];

    const outcomes = seeds.map((seed) => simulate(seed));

    expect(outcomes).toHaveLength(seeds.length);
    expect(Math.max(...outcomes.map((outcome) => outcome.convergedMs))).toBeLessThan(CONVERGES_WITHIN_MS);
  });

  it.each([
    ['ignores-tenure-end', 'may act for slot'],
    ['takes-over-at-once', 'may act for slot'],
    ['writes-without-compare', 'was stored after'],
  ] as const)('catches an implementation that %s', (planted, violation) => {
    const caught = PLANTED_SEEDS.flatMap((seed) => {
      try {
        simulate(seed, planted);
        return [];
      } catch (error) {
        return error instanceof InvariantViolation ? [error.message] : [];
      }
    });

    expect(caught.filter((message) => message.includes(violation))).not.toEqual([]);
  });
});
