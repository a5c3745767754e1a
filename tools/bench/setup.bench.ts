import { labAvailability, LabError } from '@parley/test/natlab';
import { KernelNatNetwork } from '../network/kernel-nat-network.ts';
import { AcquaintedPair } from './client/acquainted-pair.ts';
import {
  BenchmarkUnavailableError,
  median,
  type Benchmark,
  type BenchmarkResult,
  type Figure,
} from './figures.ts';

const RUNS = 12;
const LINK_DELAY_MS = 25;
/** Of presence.set, whose answer needs nothing but the supernode. */
const ROUND_TRIPS_PER_RUN = 5;
const NAT = 'endpoint-independent/address-and-port-dependent';
const ROUND_TRIP = 'signalling round trip';

/** All in milliseconds; instants count from `openSession`. */
interface Run {
  readonly roundTrip: number;
  readonly open: number;
  readonly firstByte: number;
  readonly firstBytePath: string;
  readonly callerDirect: number;
  readonly bothDirect: number;
  /** Of a second session between the same two, which have no questions about each other any more. */
  readonly firstByteAgain: number;
}

async function signallingRoundTrip({ caller }: AcquaintedPair): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < ROUND_TRIPS_PER_RUN; n += 1)
    times.push((await caller.run('signallingRoundTrip', null)).ms);
  return median(times);
}

/** One session between sockets that no NAT has seen before. */
async function measureOnce(pair: AcquaintedPair): Promise<Run> {
  await pair.leave();
  await pair.join();
  const { caller, callee } = pair;
  const roundTrip = await signallingRoundTrip(pair);
  const taken = callee.run('takeSession', null);
  const { beganAt, openAt } = await caller.run('openSession', { userId: pair.calleeId });
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

async function run(): Promise<BenchmarkResult> {
  const availability = labAvailability();
  if (availability.kind === 'unavailable') throw new BenchmarkUnavailableError(availability.reason);
  const network = await createNetwork();
  try {
    const pair = await AcquaintedPair.start(network);
    try {
      await measureOnce(pair); // warm-up
      const runs: Run[] = [];
      while (runs.length < RUNS) runs.push(await measureOnce(pair));
      return {
        figures: {
          sessionOpenMs: inRoundTrips(runs, ({ open }) => open),
          firstByteMs: inRoundTrips(runs, ({ firstByte }) => firstByte),
          directAtCallerMs: inRoundTrips(runs, ({ callerDirect }) => callerDirect),
          directAtBothMs: inRoundTrips(runs, ({ bothDirect }) => bothDirect),
          firstByteAgainMs: inRoundTrips(runs, ({ firstByteAgain }) => firstByteAgain),
          worstFirstByteMs: worst(runs, ({ firstByte }) => firstByte),
          worstDirectAtBothMs: worst(runs, ({ bothDirect }) => bothDirect),
        },
        rows: runs.map((measured, at) => ({ run: at + 1, ...measured })),
        notes: [
          `${RUNS} runs, median; ${LINK_DELAY_MS} ms one way between any two machines; both clients behind NATs (${NAT}), with new sockets for each run`,
          'from the call of openSession in one process to the event in the other, by the clock of the machine',
          'the first byte is on a stream that the caller opens as soon as openSession resolves',
          '"again": a second session of the same two clients, which then know the device list of the other',
        ],
      };
    } finally {
      await pair.close();
    }
  } finally {
    await network.close();
  }
}

export const setup: Benchmark = {
  name: 'setup',
  what: 'time from openSession to the first byte and to the direct path, over links with 25 ms each way',
  run,
};
