import { setTimeout as delay } from 'node:timers/promises';
import { RemoteProcessError } from '../../processes/remote-process.ts';
import type { ExpectedPath } from './expected-paths.ts';
import { joinAnew, leave, type MatrixClient, type MatrixLab } from './matrix-lab.ts';

/** Much more than the signs of life of a few seconds, and little enough to be quick. */
const PAYLOAD_BYTES = 256 * 1024;
/** A session's packets carry at most this much of a stream, and a relayed one passes the supernode twice, in and out. */
const PACKET_BYTES = 1_200;
const RELAYED_PACKETS = (2 * PAYLOAD_BYTES) / PACKET_BYTES;
/** Signs of life, acknowledgements of the signalling and the like. */
const INCIDENTAL_SHARE = 0.1;
const CONNECT_DEADLINE_MS = 30_000;
const DIRECT_DEADLINE_MS = 5_000;
/** Where no direct path is expected: long enough for one to show up all the same. */
const RELAY_WATCH_MS = 2_000;

export interface MatrixRun {
  /** The payload arrived whole. */
  readonly isConnected: boolean;
  /** Next to nothing of it passed the supernode. */
  readonly isDirect: boolean;
  /** Of a direct run: from `openSession` to the direct path on both sides; of another: to the first byte at the other side. */
  readonly ms: number;
  /** Until `openSession` resolved: the answer is there, and the secure session up. */
  readonly openMs: number;
  /** Connectivity checks of both sides until the path was decided. */
  readonly probes: number;
  readonly problem?: string;
}

export interface MatrixPair {
  readonly caller: MatrixClient;
  readonly callee: MatrixClient;
  readonly expected: ExpectedPath['path'];
  /** Between signing in and the session. */
  readonly idleMs: number;
}

/** How far a run has come, so that one which ends too late says where. */
interface Progress {
  step: 'openSession' | 'first byte' | 'direct path' | 'payload' | 'close';
}

class TooLateError extends Error {
  override readonly name = 'TooLateError';
}

/** One session between sockets that no NAT has seen before. */
export async function runOnce(lab: MatrixLab, pair: MatrixPair): Promise<MatrixRun> {
  const { caller, callee } = pair;
  const progress: Progress = { step: 'openSession' };
  try {
    const [, calleeId] = await Promise.all([joinAnew(caller), joinAnew(callee)]);
    if (pair.idleMs > 0) await delay(pair.idleMs);
    return await within(CONNECT_DEADLINE_MS, measure(lab, pair, { calleeId, progress }));
  } catch (thrown) {
    if (!(thrown instanceof RemoteProcessError || thrown instanceof TooLateError)) throw thrown;
    const problem = `${progress.step}: ${thrown.message.split('\n')[0] ?? ''}`;
    return { isConnected: false, isDirect: false, ms: Number.NaN, openMs: Number.NaN, probes: 0, problem };
  } finally {
    await Promise.all([leave(caller), leave(callee)]);
  }
}

async function measure(
  lab: MatrixLab,
  { caller, callee, expected }: MatrixPair,
  { calleeId: userId, progress }: { readonly calleeId: string; readonly progress: Progress },
): Promise<MatrixRun> {
  const taken = callee.process.run('takeSession', null);
  const { beganAt, openAt } = await caller.process.run('openSession', { userId });
  progress.step = 'first byte';
  const { firstByteAt } = await taken;
  progress.step = 'direct path';
  const ms = expected === 'direct' ? DIRECT_DEADLINE_MS : RELAY_WATCH_MS;
  const ends = [caller, callee].map((end) => end.process.run('pathWithin', { ms }));
  const found = await Promise.all(ends);
  const before = await lab.packetsAtSupernode();
  progress.step = 'payload';
  const received = callee.process.run('receiveStream', { withHash: true });
  const { sha256 } = await caller.process.run('sendStream', { bytes: PAYLOAD_BYTES });
  const isConnected = (await received).sha256 === sha256;
  const viaSupernode = (await lab.packetsAtSupernode()) - before;
  progress.step = 'close';
  await caller.process.run('closeSession', null);
  const isDirect = viaSupernode < RELAYED_PACKETS * INCIDENTAL_SHARE;
  const directAt = Math.max(...found.map((end) => end.directAt ?? firstByteAt));
  return {
    isConnected,
    isDirect,
    ms: (isDirect ? directAt : firstByteAt) - beganAt,
    openMs: openAt - beganAt,
    probes: found.reduce((sum, { checksSent }) => sum + checksSent, 0),
  };
}

async function within<Result>(ms: number, promise: Promise<Result>): Promise<Result> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).then(() => {
    throw new TooLateError(`not within ${ms} ms`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined); // ended because the other one was in time
    promise.catch(() => undefined); // ends when its client leaves
  }
}
