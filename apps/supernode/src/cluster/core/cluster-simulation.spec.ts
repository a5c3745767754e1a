import { describe, expect, it } from '@jest/globals';
import { unleashChaos } from './testing/cluster-chaos.ts';
import { InvariantViolation } from './testing/cluster-invariants.ts';
import { ClusterSimulation, type PlantedFault } from './testing/cluster-simulation.ts';

/** One seed again, with its history: `PARLEY_SIM_SEED=1234`. More than the everyday number: `PARLEY_SIM_SEEDS=10000`. */
const ONE_SEED = process.env['PARLEY_SIM_SEED'];
const SEEDS = Number(process.env['PARLEY_SIM_SEEDS'] ?? 250);
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

/** One supernode with slots is killed at any moment: until it is out of the roster, and until others act for all slots. */
function takeover(seed: number): { readonly noticedMs: number; readonly servedMs: number } {
  const simulation = new ClusterSimulation({ seed, nodes: 4, loss: 0 });
  const { clock, random, database } = simulation;
  for (const nodeId of simulation.ids) simulation.start(nodeId);
  clock.advance(12_000 + random.nextInteger(0, 2_000));
  const homes = simulation.alive.filter((node) => node.rights().size > 0);
  const victim = homes[random.nextInteger(0, homes.length - 1)]!;
  const killedAt = clock.now;

  simulation.kill(victim.nodeId);
  const isSeated = () => database.roster.seats.some((seat) => seat.nodeId === victim.nodeId);
  clock.advanceUntil(() => !isSeated(), 30_000);
  const noticedMs = clock.now - killedAt;
  const served = () => new Set(simulation.alive.flatMap((node) => [...node.rights().keys()])).size;
  clock.advanceUntil(() => served() === simulation.settings.slotCount, 30_000);
  return { noticedMs, servedMs: clock.now - killedAt };
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

  it('notices a killed supernode within 5 s and serves its slots again within 9 s, on a slow network', () => {
    const takeovers = Array.from({ length: 40 }, (_, index) => takeover(1 + index));

    expect(Math.max(...takeovers.map(({ noticedMs }) => noticedMs))).toBeLessThan(5_000);
    expect(Math.max(...takeovers.map(({ servedMs }) => servedMs))).toBeLessThan(9_000);
  });
});
