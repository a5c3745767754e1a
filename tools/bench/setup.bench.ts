import { labAvailability, LabError } from '@parley/test/natlab';
import { KernelNatNetwork } from '../network/kernel-nat-network.ts';
import { AcquaintedPair } from './client/acquainted-pair.ts';
import { measureHyperdht, type HyperdhtRuns } from './hyperdht/hyperdht-setup.ts';
import {
  BenchmarkUnavailableError,
  median,
  type Benchmark,
  type BenchmarkResult,
  type Figure,
} from './figures.ts';

const RUNS = 12;
const YARDSTICK_RUNS = 8;
const LINK_DELAY_MS = 25;
/** Of presence.set, whose answer needs nothing but the supernode. */
const ROUND_TRIPS_PER_RUN = 5;
const NAT = 'endpoint-independent/address-and-port-dependent';
const ROUND_TRIP = 'signalling round trip: caller, supernode, callee and back';

/** All in milliseconds; instants count from `openSession`. */
interface Run {
  readonly roundTrip: number;
  readonly open: number;
  /** The first encrypted byte is with the path. */
  readonly firstByteLeaves: number;
  readonly firstByte: number;
  readonly firstBytePath: string;
  readonly callerDirect: number;
  readonly bothDirect: number;
  /** Of a second session between the same two, which have no questions about each other any more. */
  readonly firstByteAgain: number;
}

/** From one client over the supernode to the other and back, as an offer and its answer travel. */
async function signallingRoundTrip({ caller, callee }: AcquaintedPair): Promise<number> {
  let sum = 0;
  for (const client of [caller, callee]) {
    const times: number[] = [];
    for (let n = 0; n < ROUND_TRIPS_PER_RUN; n += 1)
      times.push((await client.run('signallingRoundTrip', null)).ms);
    sum += median(times);
  }
  return sum;
}

/** One session between sockets that no NAT has seen before. */
async function measureOnce(pair: AcquaintedPair): Promise<Run> {
  await pair.leave();
  await pair.join();
  const { caller, callee } = pair;
  const roundTrip = await signallingRoundTrip(pair);
  const taken = callee.run('takeSession', null);
  const { beganAt, openAt, leftAt } = await caller.run('openSession', { userId: pair.calleeId });
  const { firstByteAt, path } = await taken;
  const direct = await Promise.all([caller.run('waitForDirect', null), callee.run('waitForDirect', null)]);
  const [callerDirect, calleeDirect] = direct.map(({ directAt }) => directAt - beganAt);
  await caller.run('closeSession', null);
  const takenAgain = callee.run('takeSession', null);
  const again = await caller.run('openSession', { userId: pair.calleeId });
  const firstByteAgainAt = (await takenAgain).firstByteAt;
  await caller.run('closeSession', null);
  return {
    roundTrip,
    open: openAt - beganAt,
    firstByteLeaves: leftAt - beganAt,
    firstByte: firstByteAt - beganAt,
    firstBytePath: path,
    callerDirect: callerDirect ?? Number.NaN,
    bothDirect: Math.max(callerDirect ?? Number.NaN, calleeDirect ?? Number.NaN),
    firstByteAgain: firstByteAgainAt - again.beganAt,
  };
}

function inRoundTrips(runs: readonly Run[], pick: (run: Run) => number): Figure {
  return {
    value: median(runs.map(pick)),
    unit: 'ms',
    yardstick: { name: ROUND_TRIP, value: median(runs.map((run) => run.roundTrip)) },
    ratio: median(runs.map((run) => pick(run) / run.roundTrip)),
  };
}

function worst(runs: readonly Run[], pick: (run: Run) => number): Figure {
  return { value: Math.max(...runs.map(pick)), unit: 'ms' };
}

async function createNetwork(): Promise<KernelNatNetwork> {
  try {
    return await KernelNatNetwork.create(NAT, 'two NATs', { linkDelayMs: LINK_DELAY_MS });
  } catch (thrown) {
    if (thrown instanceof LabError && thrown.code === 'LAB_UNAVAILABLE')
      throw new BenchmarkUnavailableError(thrown.message);
    throw thrown;
  }
}

async function measurePair(network: KernelNatNetwork): Promise<readonly Run[]> {
  const pair = await AcquaintedPair.start(network);
  try {
    await measureOnce(pair); // warm-up
    const runs: Run[] = [];
    while (runs.length < RUNS) runs.push(await measureOnce(pair));
    return runs;
  } finally {
    await pair.close();
  }
}

/** Over the same links and through the same NATs; there are none where the package can't be had. */
async function measureYardstick(network: KernelNatNetwork): Promise<HyperdhtRuns | string> {
  try {
    return await measureHyperdht(network, YARDSTICK_RUNS);
  } catch (thrown) {
    return thrown instanceof Error ? (thrown.message.split('\n', 1)[0] ?? thrown.name) : String(thrown);
  }
}

function yardstickFigures(hyperdht: HyperdhtRuns | string, ours: readonly Run[]): Record<string, Figure> {
  if (typeof hyperdht === 'string' || hyperdht.runs.length === 0) return {};
  const against = (value: number, name: string, theirs: number): Figure => ({
    value,
    unit: 'ms',
    yardstick: { name: `hyperdht, ${name}`, value: theirs },
    ratio: value / theirs,
  });
  return {
    firstByteLeavesAgainstHyperdhtMs: against(
      median(ours.map(({ firstByteLeaves }) => firstByteLeaves)),
      'from connect to open',
      median(hyperdht.runs.map(({ left }) => left)),
    ),
    firstByteAgainstHyperdhtMs: against(
      median(ours.map(({ firstByte }) => firstByte)),
      'from connect to the first byte',
      median(hyperdht.runs.map(({ arrived }) => arrived)),
    ),
  };
}

function yardstickNote(hyperdht: HyperdhtRuns | string): string {
  if (typeof hyperdht === 'string') return `no yardstick: ${hyperdht}`;
  const { runs, failed } = hyperdht;
  return `hyperdht: ${runs.length} runs connected, ${failed} did not; new sockets for each, five public nodes on the server`;
}

async function run(): Promise<BenchmarkResult> {
  const availability = labAvailability();
  if (availability.kind === 'unavailable') throw new BenchmarkUnavailableError(availability.reason);
  const network = await createNetwork();
  try {
    const runs = await measurePair(network);
    const hyperdht = await measureYardstick(network);
    return {
      figures: {
        firstByteLeavesMs: inRoundTrips(runs, ({ firstByteLeaves }) => firstByteLeaves),
        sessionOpenMs: inRoundTrips(runs, ({ open }) => open),
        firstByteMs: inRoundTrips(runs, ({ firstByte }) => firstByte),
        directAtCallerMs: inRoundTrips(runs, ({ callerDirect }) => callerDirect),
        directAtBothMs: inRoundTrips(runs, ({ bothDirect }) => bothDirect),
        directAtBothAfterAnswerMs: inRoundTrips(runs, ({ bothDirect, open }) => bothDirect - open),
        firstByteAgainMs: inRoundTrips(runs, ({ firstByteAgain }) => firstByteAgain),
        worstFirstByteMs: worst(runs, ({ firstByte }) => firstByte),
        worstDirectAtBothMs: worst(runs, ({ bothDirect }) => bothDirect),
        ...yardstickFigures(hyperdht, runs),
      },
      rows: runs.map((measured, at) => ({ run: at + 1, ...measured })),
      notes: [
        `${RUNS} runs, median; ${LINK_DELAY_MS} ms one way between any two machines; both clients behind NATs (${NAT}), with new sockets for each run`,
        'from the call of openSession in one process to the event in the other, by the clock of the machine',
        'the first byte is on a stream that the caller opens as soon as openSession resolves; it leaves when the path has it',
        '"again": a second session of the same two clients',
        yardstickNote(hyperdht),
      ],
    };
  } finally {
    await network.close();
  }
}

export const setup: Benchmark = {
  name: 'setup',
  what: 'time from openSession to the first byte and to the direct path, over links with 25 ms each way',
  run,
};
