import { LoopbackNetwork } from '../network/loopback-network.ts';
import { BareEngines, type BareResult } from './bare-engine.ts';
import { AcquaintedPair } from './client/acquainted-pair.ts';
import { compared, median, type Benchmark, type BenchmarkResult } from './figures.ts';

const ROUNDS = 7;
const WARM_UP_ROUNDS = 2;
const ROUND_MS = 1_500;
const STREAM_BYTES = 48_000_000;
/** A voice frame of 20 ms, and the most that fits a packet with room to spare. */
const SMALL_BYTES = 160;
const LARGE_BYTES = 1_150;
const YARDSTICK = 'bare QUIC engine';

export class WrongResultError extends Error {
  override readonly name = 'WrongResultError';
}

/** One round through the SDK: units are datagrams or megabits. */
interface SessionResult {
  readonly rate: number;
  readonly senderCpuUsPerUnit: number;
  readonly receiverCpuUsPerUnit: number;
}

async function datagrams({ caller, callee }: AcquaintedPair, bytes: number): Promise<SessionResult> {
  await callee.run('countDatagrams', { bytes });
  const { sent, cpuMs: senderCpuMs } = await caller.run('sendDatagrams', { bytes, ms: ROUND_MS });
  const { received, wrong, ms, cpuMs } = await callee.run('datagramsCounted', null);
  if (wrong > 0 || received > sent) throw new WrongResultError(`${wrong} wrong, ${received} of ${sent}`);
  return {
    rate: received / (ms / 1_000),
    senderCpuUsPerUnit: (senderCpuMs * 1_000) / received,
    receiverCpuUsPerUnit: (cpuMs * 1_000) / received,
  };
}

async function stream({ caller, callee }: AcquaintedPair, withHash: boolean): Promise<SessionResult> {
  const receiving = callee.run('receiveStream', { withHash });
  const [sent, received] = await Promise.all([caller.run('sendStream', { bytes: STREAM_BYTES }), receiving]);
  if (received.bytes !== STREAM_BYTES || (withHash && received.sha256 !== sent.sha256))
    throw new WrongResultError('the bytes that arrived are not those that were sent');
  const megabits = (STREAM_BYTES * 8) / 1e6;
  return {
    rate: megabits / (received.ms / 1_000),
    senderCpuUsPerUnit: (sent.cpuMs * 1_000) / megabits,
    receiverCpuUsPerUnit: (received.cpuMs * 1_000) / megabits,
  };
}

interface Round {
  readonly session: SessionResult;
  readonly bare: BareResult;
}

/** Alternates the two, so that what else the machine does hits both alike. */
async function rounds(
  measure: (isWarmUp: boolean) => Promise<SessionResult>,
  yardstick: () => BareResult,
): Promise<Round[]> {
  const results: Round[] = [];
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    const result = { session: await measure(round < 0), bare: yardstick() };
    if (round >= 0) results.push(result);
  }
  return results;
}

const ratesOf = (measured: readonly Round[]) =>
  measured.map(({ session, bare }) => ({ value: session.rate, yardstick: bare.rate }));

/** Processor time is what a figure rests on where others use the machine too. */
function processorTime(unit: string, measured: readonly Round[]): Record<string, string | number> {
  const middle = (pick: (round: Round) => number): number => median(measured.map(pick));
  return {
    'CPU µs per': unit,
    sender: middle(({ session }) => session.senderCpuUsPerUnit),
    receiver: middle(({ session }) => session.receiverCpuUsPerUnit),
    'bare, both ends': middle(({ bare }) => bare.cpuUsPerUnit),
    'bare / busier end': middle(
      ({ session, bare }) =>
        bare.cpuUsPerUnit / Math.max(session.senderCpuUsPerUnit, session.receiverCpuUsPerUnit),
    ),
  };
}

async function measureAll(pair: AcquaintedPair): Promise<BenchmarkResult> {
  const bare = new BareEngines();
  const datagramRounds = (bytes: number) =>
    rounds(
      () => datagrams(pair, bytes),
      () => bare.datagrams(bytes, ROUND_MS),
    );
  const small = await datagramRounds(SMALL_BYTES);
  const large = await datagramRounds(LARGE_BYTES);
  const streams = await rounds(
    (isWarmUp) => stream(pair, isWarmUp),
    () => bare.stream(STREAM_BYTES),
  );
  return {
    figures: {
      smallDatagramsPerSecond: compared(ratesOf(small), 'datagrams/s', YARDSTICK),
      largeDatagramsPerSecond: compared(ratesOf(large), 'datagrams/s', YARDSTICK),
      streamMegabitsPerSecond: compared(ratesOf(streams), 'Mbit/s', YARDSTICK),
    },
    rows: [
      processorTime(`datagram of ${SMALL_BYTES} bytes`, small),
      processorTime(`datagram of ${LARGE_BYTES} bytes`, large),
      processorTime('Mbit of a stream', streams),
    ],
    notes: [
      `delivered datagrams of ${SMALL_BYTES} and ${LARGE_BYTES} bytes; a stream of ${STREAM_BYTES / 1e6} MB; on loopback, on the direct path`,
      'the session has two processes and so up to two processors; the yardstick has both ends in one process, without sockets',
      '"bare / busier end" is the ratio of rates to expect where both processes have a processor of their own',
    ],
  };
}

async function run(): Promise<BenchmarkResult> {
  const network = await LoopbackNetwork.create('direct');
  const pair = await AcquaintedPair.start(network);
  try {
    const taken = pair.callee.run('takeSession', null);
    await pair.caller.run('openSession', { userId: pair.calleeId });
    await taken;
    await Promise.all([pair.caller.run('waitForDirect', null), pair.callee.run('waitForDirect', null)]);
    return await measureAll(pair);
  } finally {
    await pair.close();
    await network.close();
  }
}

export const session: Benchmark = {
  name: 'session',
  what: 'datagrams and a stream between two processes through the SDK, against the bare QUIC engine in one',
  run,
};
