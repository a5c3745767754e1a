import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { redisAvailability } from '@parley/test/cluster';

const ENTRY = fileURLToPath(new URL('../dist/bench/main.js', import.meta.url));
/** Several times what it takes on an idle machine. */
const DEADLINE_MS = 600_000;

interface Run {
  readonly code: number;
  readonly answer: string;
  readonly told: string;
}

/** What `--json` prints. Numbers that are none or have no end are `null` in JSON. */
interface Printed {
  readonly name: string;
  readonly figures: Readonly<Record<string, { readonly value: unknown; readonly ratio?: unknown }>>;
  readonly rows?: readonly Readonly<Record<string, unknown>>[];
}

/** The built benchmark as a user runs it. */
function runBench(...words: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [ENTRY, ...words],
      { timeout: DEADLINE_MS, maxBuffer: 1 << 26 },
      (error, answer, told) => resolve({ code: error ? Number(error.code) : 0, answer, told }),
    );
  });
}

/** Each as small as it still says something: figures that must be there, and how many rows. */
const SMALL = [
  {
    words: ['storm', '--clients=30'],
    figures: ['detectedMs', 'p99RehomeMs', 'peakSignInsPerSecond', 'presenceFlaps', 'allP99RehomeMs'],
    rows: 2,
  },
  {
    words: [
      ...['presence', '--publishers=8', '--watchers=8', '--supernodes=2'],
      ...['--seconds=1', '--idle-seconds=1'],
    ],
    figures: ['sameHomeP99Ms', 'otherHomeP99Ms', 'messagesPerUpdate', 'idleBytesPerClientPerMinute'],
    rows: 4,
  },
  {
    words: ['connections', '--connections=120'],
    figures: ['residentBytesAboveSocketIo', 'connectionsPerSecond'],
    rows: 0,
  },
  {
    words: ['directory', '--users=500', '--requests=40'],
    figures: ['lookupP99Ms', 'searchP99Ms', 'goneAfterMs', 'goneAfterLossMs'],
    rows: 5,
  },
] as const;
const NAMES = SMALL.map(({ words: [name] }) => name);

/**
 * What a run says of the machine and not of the program. So few clients on a machine that does other things may miss any aim: the
 * exit code for that is no failure here, and any other complaint is.
 */
const MISSED_AIM = /the aim|presence flapped|messages per update to|its time-to-live is/;

const missing = await redisAvailability();
const describeBenches = missing ? describe.skip : describe;
const why = missing ? ` (skipped: ${missing.reason})` : '';

describeBenches(`benchmarks of a cluster, as small as they get${why}`, () => {
  const runs = new Map<string, Run>();

  /** Two at a time: most of the time they wait. */
  beforeAll(async () => {
    const [storm, ...others] = SMALL;
    const run = async ({ words }: (typeof SMALL)[number]): Promise<void> => {
      runs.set(words[0], await runBench(...words, '--json'));
    };
    const inTurn = async (): Promise<void> => {
      for (const one of others) await run(one);
    };
    await Promise.all([run(storm), inTurn()]);
  }, DEADLINE_MS);

  it.each(SMALL)('measures $words', ({ words: [name], figures, rows }) => {
    const { code, answer, told } = runs.get(name)!;
    const complaints = told.split('\n').filter((line) => line.startsWith('not as it must be: '));
    expect({ code, told }).toEqual({ code: complaints.length > 0 ? 1 : 0, told });
    expect(complaints.filter((line) => !MISSED_AIM.test(line))).toEqual([]);

    const printed = JSON.parse(answer.trimEnd().split('\n').at(-1) ?? '') as Printed;
    expect(printed.name).toBe(name);
    expect(Object.keys(printed.figures)).toEqual(expect.arrayContaining([...figures]));
    for (const [figure, { value, ratio = 1 }] of Object.entries(printed.figures)) {
      expect({ figure, value, ratio }).toEqual({
        ...{ figure, value: expect.any(Number), ratio: expect.any(Number) },
      });
    }
    expect(printed.rows ?? []).toHaveLength(rows);
    for (const row of printed.rows ?? []) expect(Object.values(row)).not.toContain(null);
  });

  it.each(NAMES)(
    'of %s there are no other options',
    async (name) => {
      const { code, answer, told } = await runBench(name, '--clientele=3');

      expect({ code, answer, told }).toEqual({
        ...{ code: 2, answer: '' },
        told: expect.stringContaining(`${name}: there is no option --clientele; options: --`),
      });
    },
    60_000,
  );
});
