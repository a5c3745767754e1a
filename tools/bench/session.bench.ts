import { LoopbackNetwork } from '../network/loopback-network.ts';
import { BareEngines } from './bare-engine.ts';
import { AcquaintedPair } from './client/acquainted-pair.ts';
import { compared, type Benchmark, type BenchmarkResult } from './figures.ts';

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

async function datagrams({ caller, callee }: AcquaintedPair, bytes: number): Promise<number> {
  await callee.run('countDatagrams', { bytes });
  const { sent } = await caller.run('sendDatagrams', { bytes, ms: ROUND_MS });
  const { received, wrong, ms } = await callee.run('datagramsCounted', null);
  if (wrong > 0 || received > sent) throw new WrongResultError(`${wrong} wrong, ${received} of ${sent}`);
  return received / (ms / 1_000);
}

async function stream({ caller, callee }: AcquaintedPair, withHash: boolean): Promise<number> {
  const receiving = callee.run('receiveStream', { withHash });
  const [{ sha256 }, received] = await Promise.all([
    caller.run('sendStream', { bytes: STREAM_BYTES }),
    receiving,
  ]);
  if (received.bytes !== STREAM_BYTES || (withHash && received.sha256 !== sha256))
    throw new WrongResultError('the bytes that arrived are not those that were sent');
  return (STREAM_BYTES * 8) / 1e3 / received.ms;
}

/** Alternates the two, so that what else the machine does hits both alike. */
async function rounds(
  measure: (isWarmUp: boolean) => Promise<number>,
  yardstick: () => number,
): Promise<{ value: number; yardstick: number }[]> {
  const results = [];
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    const result = { value: await measure(round < 0), yardstick: yardstick() };
    if (round >= 0) results.push(result);
  }
  return results;
}

async function run(): Promise<BenchmarkResult> {
  const network = await LoopbackNetwork.create('direct');
  const pair = await AcquaintedPair.start(network);
  try {
    const taken = pair.callee.run('takeSession', null);
    await pair.caller.run('openSession', { userId: pair.calleeId });
    await taken;
    await Promise.all([pair.caller.run('waitForDirect', null), pair.callee.run('waitForDirect', null)]);
    const bare = new BareEngines();
    const datagramRounds = (bytes: number) =>
      rounds(
        () => datagrams(pair, bytes),
        () => bare.datagramsPerSecond(bytes, ROUND_MS),
      );
    const streamRounds = () =>
      rounds(
        (isWarmUp) => stream(pair, isWarmUp),
        () => bare.streamMegabitsPerSecond(STREAM_BYTES),
      );
    return {
      figures: {
        smallDatagramsPerSecond: compared(await datagramRounds(SMALL_BYTES), 'datagrams/s', YARDSTICK),
        largeDatagramsPerSecond: compared(await datagramRounds(LARGE_BYTES), 'datagrams/s', YARDSTICK),
        streamMegabitsPerSecond: compared(await streamRounds(), 'Mbit/s', YARDSTICK),
      },
      notes: [
        `datagrams of ${SMALL_BYTES} and ${LARGE_BYTES} bytes, delivered; a stream of ${STREAM_BYTES / 1e6} MB; all on loopback, on the direct path`,
        'the session has two processes and so up to two processors, the yardstick both ends in one process, without sockets',
      ],
    };
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
