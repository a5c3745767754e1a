import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * `npm run simulate`: histories of the cluster core, one per seed, in as many processes as there are processors. Exit code 1 and the
 * failing seed where a checker noticed something; 2 where it was called wrongly. `--seconds` ends it sooner, but not before
 * 250 seeds; `--seed` replays one and, where it fails, tells its whole history. `--plant` puts a known fault around the cores, to see
 * the checkers notice it.
 */
const USAGE =
  'usage: npm run simulate -- [--seeds=20000] [--first-seed=1] [--seconds=…] [--processes=…] [--seed=<one>] [--plant=<fault>]';
const LEAST_SEEDS = 250;
const PROGRAM = fileURLToPath(new URL('../src/cluster/core/testing/run-seeds.ts', import.meta.url));
const FAULTS = new URL('../src/cluster/core/testing/planted-faults.ts', import.meta.url).href;
const SOURCES = new URL('./typescript-sources.mjs', import.meta.url).href;

function refuse(problem) {
  console.error(`${problem}\n${USAGE}`);
  process.exit(2);
}

function integer(name, text, minimum) {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= minimum) return value;
  return refuse(`--${name} is a whole number from ${minimum} on, not ${text}`);
}

/** The names of the faults that can be planted; from the sources, and so no list of its own. */
async function plantedFaults() {
  await import(SOURCES);
  const { PLANTED_FAULTS } = await import(FAULTS);
  return Object.keys(PLANTED_FAULTS);
}

async function tellUsage() {
  const faults = (await plantedFaults()).map((name) => `  --plant="${name}"`);
  console.log([USAGE, 'faults to plant:', ...faults].join('\n'));
  process.exit(0);
}

async function readFault(name) {
  if (name === undefined) return undefined;
  if ((await plantedFaults()).includes(name)) return name;
  return refuse(`there is no fault "${name}" to plant; --help names them`);
}

async function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '20000' },
        'first-seed': { type: 'string', default: '1' },
        seconds: { type: 'string', default: String(24 * 3600) },
        processes: { type: 'string', default: String(availableParallelism()) },
        seed: { type: 'string' },
        plant: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) await tellUsage();
    const planted = await readFault(values.plant);
    if (values.seed !== undefined) {
      return {
        first: integer('seed', values.seed, 0),
        seeds: 1,
        seconds: 3600,
        processes: 1,
        historyLines: 400,
        planted,
      };
    }
    const seeds = integer('seeds', values.seeds, 1);
    return {
      first: integer('first-seed', values['first-seed'], 0),
      seeds,
      seconds: integer('seconds', values.seconds, 1),
      processes: Math.min(seeds, integer('processes', values.processes, 1)),
      historyLines: 25,
      planted,
    };
  } catch (error) {
    return refuse(error.message);
  }
}

const { first, seeds, seconds, processes, historyLines, planted } = await readOptions();
const startedAt = process.hrtime.bigint();
const secondsSoFar = () => Number(process.hrtime.bigint() - startedAt) / 1e9;
let done = 0;
let rosters = 0;
let slowestMs = 0;
let toldAt = 0;

function take({ outcomes }) {
  done += outcomes.length;
  for (const { convergedMs, epochs } of outcomes) {
    rosters += epochs;
    slowestMs = Math.max(slowestMs, convergedMs);
  }
  if (secondsSoFar() - toldAt < 10) return;
  toldAt = secondsSoFar();
  console.error(`${done} of ${seeds} seeds`);
}

const children = Array.from({ length: processes }, (_, index) => {
  const execArgv = [
    '--conditions=@parley/source',
    '--no-warnings',
    `--import=${SOURCES}`,
    // Messages live for a moment of virtual time and die young: with room for them there is little to collect.
    '--max-semi-space-size=32',
  ];
  const child = fork(PROGRAM, [], { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send({
    from: first + index,
    before: first + seeds,
    step: processes,
    atLeast: Math.ceil(LEAST_SEEDS / processes),
    seconds,
    historyLines,
    planted,
  });
  return child;
});

/** Resolves with what was violated, or undefined when all seeds of the process are done. */
function ended(child) {
  return new Promise((resolve, reject) => {
    child.on('message', (report) => {
      take(report);
      if (report.isLast) resolve(report.violation);
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => reject(new Error(`a process ended early: ${signal ?? code}`)));
  });
}

const violations = [];
try {
  await Promise.all(
    children.map(async (child) => {
      const violation = await ended(child);
      if (violation === undefined) return;
      violations.push(violation);
      for (const other of children) other.kill();
    }),
  );
} catch (error) {
  if (violations.length === 0) throw error;
}

const [violation] = violations;
if (violation === undefined) {
  const rate = Math.round(done / secondsSoFar());
  console.log(
    `${done} seeds from ${first} on hold: ${rosters} rosters, healed within ${(slowestMs / 1000).toFixed(1)} s; ` +
      `${secondsSoFar().toFixed(1)} s in ${processes} processes, ${rate} seeds/s`,
  );
} else {
  console.error(violation.message);
  const plant = planted === undefined ? '' : ` --plant="${planted}"`;
  console.error(`Replay: npm run simulate -- --seed=${violation.seed}${plant}`);
  process.exitCode = 1;
}
for (const child of children) child.kill();
