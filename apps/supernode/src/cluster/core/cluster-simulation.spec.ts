import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { InvariantViolation } from './testing/cluster-invariants.ts';
import { ClusterSimulation } from './testing/cluster-simulation.ts';
import { PLANTED_FAULTS, type PlantedFault } from './testing/planted-faults.ts';
import { simulate } from './testing/simulated-run.ts';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const SIMULATE = fileURLToPath(new URL('../../../simulation/main.mjs', import.meta.url));

interface Told {
  readonly code: number;
  readonly text: string;
}

/** As many seeds as there is time for: `npm run simulate` runs more, and one again. */
function runSeeds(...options: readonly string[]): Promise<Told> {
  return ended(spawn(process.execPath, [SIMULATE, ...options], { stdio: ['ignore', 'pipe', 'pipe'] }));
}

async function ended(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Told> {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  }
  const [code] = (await once(child, 'close')) as [number];
  return { code, text };
}

/** A fingerprint of all that happened and all that the cores asked for, to the last step. */
function historyOf(seed: number): { readonly events: number; readonly digest: string } {
  const hash = createHash('sha256');
  let events = 0;
  simulate(seed, {
    record: (event) => {
      events += 1;
      hash.update(event).update('\n');
    },
  });
  return { events, digest: hash.digest('hex') };
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

  it('tells which faults can be planted, and refuses others', async () => {
    const [help, refused] = await Promise.all([runSeeds('--help'), runSeeds('--plant=none of them')]);

    expect(help.code).toBe(0);
    for (const planted of Object.keys(PLANTED_FAULTS)) expect(help.text).toContain(`--plant="${planted}"`);
    expect(refused).toEqual({ code: 2, text: expect.stringContaining('there is no fault "none of them"') });
  });

  it('prints how to replay a failing seed, and that fails alike', async () => {
    const planted: PlantedFault = 'seat gets more than its bounded share';
    const { code, text } = await runSeeds('--seeds=20', `--plant=${planted}`);
    const [violation] = /^seed \d+: .* has more than \d+ slots$/m.exec(text) ?? [];
    const [, seed] = /^seed (\d+): /.exec(violation ?? '') ?? [];
    expect({ code, text }).toEqual({ code: 1, text: expect.stringContaining(violation ?? 'a violation') });

    const [, command = ''] = /^Replay: (npm run simulate -- .*)$/m.exec(text) ?? [];
    expect(command).toBe(`npm run simulate -- --seed=${seed ?? ''} --plant="${planted}"`);
    const replayed = await ended(
      spawn(command, [], { cwd: ROOT, shell: true, stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    expect(replayed.code).toBe(1);
    expect(replayed.text.split('\n')).toContain(violation);
    expect(replayed.text).toContain(`Replay: ${command}\n`);
    // The last things that happened are the same ones, and the replay tells of more before.
    const lastOf = (said: string): string[] =>
      said.split('\n').filter((line) => /^ {2}\d+\.\d{3} /.test(line));
    const [last, all] = [lastOf(text), lastOf(replayed.text)];
    expect(last.length).toBeGreaterThan(1);
    expect(all.slice(-last.length)).toEqual(last);
  }, 120_000);

  it.each([7, 8, 9])('is the same history for the same seed, to the last step: %i', (seed) => {
    const { events, digest } = historyOf(seed);

    expect(events).toBeGreaterThan(1_000);
    expect(historyOf(seed)).toEqual({ events, digest });
    expect(historyOf(seed + 10).digest).not.toBe(digest);
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
