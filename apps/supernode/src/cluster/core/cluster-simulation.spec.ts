import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { InvariantViolation } from './testing/cluster-invariants.ts';
import { ClusterSimulation } from './testing/cluster-simulation.ts';
import { PLANTED_FAULTS, type PlantedFault } from './testing/planted-faults.ts';
import { simulate } from './testing/simulated-run.ts';

const SIMULATE = fileURLToPath(new URL('../../../simulation/main.mjs', import.meta.url));

/** As many seeds as there is time for: `npm run simulate` runs more, and one again. */
async function runSeeds(
  ...options: readonly string[]
): Promise<{ readonly code: number; readonly text: string }> {
  const child = spawn(process.execPath, [SIMULATE, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, text };
}

/** The first seed whose history shows the fault, and what the checkers say. */
function firstCaught(planted: PlantedFault, seeds: number): { readonly seed: number; readonly said: string } {
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      simulate(seed, { planted });
    } catch (error) {
      if (!(error instanceof InvariantViolation)) throw error;
      return { seed, said: error.message };
    }
  }
  return { seed: 0, said: `nothing within ${seeds} seeds` };
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
  it('keeps every invariant in every history, and heals', async () => {
    const { code, text } = await runSeeds('--seeds=4000', '--seconds=10');

    expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/\d+ seeds from 1 on hold/) });
  }, 300_000);

  it('is refused a number of seeds that is none', async () => {
    const { code, text } = await runSeeds('--seeds=many');

    expect(code).toBe(2);
    expect(text).toContain('--seeds is a whole number from 1 on, not many');
  });

  it('is the same history for the same seed', () => {
    expect(simulate(7)).toEqual(simulate(7));
  });

  it.each(Object.entries(PLANTED_FAULTS))(
    'shows within some seeds that: %s',
    (planted, { violation, seeds }) => {
      expect(firstCaught(planted as PlantedFault, seeds).said).toContain(violation);
    },
    120_000,
  );

  it('notices a killed supernode within 5 s and serves its slots again within 9 s, on a slow network', () => {
    const takeovers = Array.from({ length: 40 }, (_, index) => takeover(1 + index));

    expect(Math.max(...takeovers.map(({ noticedMs }) => noticedMs))).toBeLessThan(5_000);
    expect(Math.max(...takeovers.map(({ servedMs }) => servedMs))).toBeLessThan(9_000);
  });
});
