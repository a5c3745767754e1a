import { unleashChaos } from './cluster-chaos.ts';
import { InvariantViolation } from './cluster-invariants.ts';
import { ClusterSimulation } from './cluster-simulation.ts';
import type { PlantedFault } from './planted-faults.ts';

const SETTLING_MS = 9_000;
const CHAOS_MS = 30_000;
/** Everything is healed at once and everybody restarted: the lease store's return, a roster and a handover. */
export const CONVERGES_WITHIN_MS = 20_000;

export interface Outcome {
  readonly seed: number;
  readonly convergedMs: number;
  /** Rosters that were written. */
  readonly epochs: number;
}

export interface RunOptions {
  readonly planted?: PlantedFault;
  /** How many of the last things that happened a violation tells. */
  readonly historyLines?: number;
  /** Gets everything that happens and everything that the cores ask for, as it does. */
  readonly record?: (event: string) => void;
}

/** One history: supernodes start, faults strike, everything is healed and must be whole again. Throws what was violated. */
export function simulate(seed: number, { historyLines = 25, ...options }: RunOptions = {}): Outcome {
  const simulation = new ClusterSimulation({ seed, isVaried: true, ...options });
  try {
    for (const nodeId of simulation.ids) {
      simulation.clock.schedule(simulation.random.nextInteger(0, 3_000), () => simulation.start(nodeId));
    }
    simulation.clock.advance(SETTLING_MS);
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
    const last = simulation.history.slice(-historyLines);
    throw new InvariantViolation(`seed ${seed}: ${error.message}\n  ${last.join('\n  ')}`);
  }
}
