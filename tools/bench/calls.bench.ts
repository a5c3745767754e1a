import { setTimeout as delay } from 'node:timers/promises';
import { LoopbackNetwork } from '../network/loopback-network.ts';
import { CallParties, type CalledDevice } from './client/call-parties.ts';
import type { Proposed } from './client/call-commands.ts';
import { quantile, type Benchmark, type BenchmarkResult, type Figure } from './figures.ts';

const WARM_UP_CALLS = 5;
const CALLS = 200;
/** Answered on both devices at once, where only one may win; they are checked and not timed. */
const CONTESTED_CALLS = 20;
/** No call begins after it, so that a busy machine measures fewer, and says how many. */
const BUDGET_MS = 40_000;
/**
 * Between the beginnings of two calls: five requests each are then less than one connection may make for long
 * (`LIMITS.requestsPerSecond`). On a calm machine the calls would be faster.
 */
const CALL_INTERVAL_MS = 125;
const ROUND_TRIP = 'signalling round trip';

/** A call that rang, was answered or ended otherwise than it must. */
export class WrongCallError extends Error {
  override readonly name = 'WrongCallError';
}

/** All in milliseconds. */
interface CallTimes {
  readonly roundTrip: number;
  /** From the proposal until the caller knows that a device rings. */
  readonly ringingAtCaller: number;
  /** From the proposal until the last of the devices rings. */
  readonly bothRing: number;
  /** From the acceptance until the call is active at both ends. */
  readonly active: number;
  /** From the acceptance until the other device is silent. */
  readonly silent: number;
}

interface Ringing extends Proposed {
  readonly bothRingAt: number;
}

/** Calls, and waits until both devices ring and the caller knows. */
async function ringBoth({ caller, calleeId, devices }: CallParties): Promise<Ringing> {
  const [proposed, ...ringing] = await Promise.all([
    caller.run('propose', { userId: calleeId, devices: devices.length }),
    ...devices.map(({ client }) => client.run('ringing', null)),
  ]);
  if (ringing.some(({ callId }) => callId !== proposed.callId))
    throw new WrongCallError('another call rings than the one that was made');
  return { ...proposed, bothRingAt: Math.max(...ringing.map(({ ringingAt }) => ringingAt)) };
}

/** Hangs up, and checks that the caller talked to `answering` and `other` never talked. */
async function endChecked(
  { caller }: CallParties,
  answering: CalledDevice,
  other: CalledDevice,
): Promise<{ activeAt: number; silentAt: number }> {
  const { activeAt, deviceId } = await caller.run('active', null);
  if (deviceId !== answering.deviceId) throw new WrongCallError('the caller talks to another device');
  const silenced = await other.client.run('over', null);
  if (silenced.wasActive || silenced.cause !== 'answered-elsewhere')
    throw new WrongCallError(`the other device: ${silenced.cause}, active: ${String(silenced.wasActive)}`);
  await caller.run('hangUp', null);
  const ends = await Promise.all([caller.run('over', null), answering.client.run('over', null)]);
  const wrong = ends.find(({ outcome, wasActive }) => outcome !== 'completed' || !wasActive);
  if (wrong)
    throw new WrongCallError(`an end of the answered call: ${wrong.outcome ?? 'none'}, ${wrong.cause}`);
  return { activeAt, silentAt: silenced.overAt };
}

/** One call, from the proposal to the end at all three devices. */
async function measureCall(
  parties: CallParties,
  answering: CalledDevice,
  other: CalledDevice,
): Promise<CallTimes> {
  await parties.caller.run('signallingRoundTrip', null); // queues behind what the call before left to do
  const { ms: roundTrip } = await parties.caller.run('signallingRoundTrip', null);
  const { proposedAt, ringingAt, bothRingAt } = await ringBoth(parties);
  const answered = await answering.client.run('answer', null);
  const { activeAt, silentAt } = await endChecked(parties, answering, other);
  return {
    roundTrip,
    ringingAtCaller: ringingAt - proposedAt,
    bothRing: bothRingAt - proposedAt,
    active: Math.max(answered.activeAt, activeAt) - answered.acceptedAt,
    silent: silentAt - answered.acceptedAt,
  };
}

/** Both devices accept at once, which is as much at once as two messages to two processes. Returns the one that talks. */
async function contest(
  parties: CallParties,
  toldFirst: CalledDevice,
  toldSecond: CalledDevice,
): Promise<CalledDevice> {
  await ringBoth(parties);
  const [first, second] = await Promise.allSettled([
    toldFirst.client.run('answer', null),
    toldSecond.client.run('answer', null),
  ]);
  if (first.status === second.status)
    throw new WrongCallError(`both devices accepted at once, and both are ${first.status}`);
  const isFirst = first.status === 'fulfilled';
  const [winner, loser] = isFirst ? [toldFirst, toldSecond] : [toldSecond, toldFirst];
  await endChecked(parties, winner, loser);
  return winner;
}

interface Measured {
  readonly calls: readonly CallTimes[];
  /** Of the contested calls, those that the first device won. */
  readonly wonByPhone: number;
  /** Of the contested calls, those that the device won that was told first to accept. */
  readonly wonByFirst: number;
}

async function measureCalls(parties: CallParties): Promise<Measured> {
  const [phone, tablet] = parties.devices;
  if (!phone || !tablet) throw new TypeError('a device is missing');
  const calls: CallTimes[] = [];
  const end = performance.now() + BUDGET_MS;
  for (let n = -WARM_UP_CALLS; n < CALLS && performance.now() < end; n += 1) {
    const isPhoneAnswering = n % 2 === 0;
    const next = delay(CALL_INTERVAL_MS);
    const times = await (isPhoneAnswering
      ? measureCall(parties, phone, tablet)
      : measureCall(parties, tablet, phone));
    if (n >= 0) calls.push(times);
    await next;
  }
  let [wonByPhone, wonByFirst] = [0, 0];
  for (let n = 0; n < CONTESTED_CALLS; n += 1) {
    const [first, second] = n % 2 === 0 ? [phone, tablet] : [tablet, phone];
    const winner = await contest(parties, first, second);
    if (winner === phone) wonByPhone += 1;
    if (winner === first) wonByFirst += 1;
  }
  return { calls, wonByPhone, wonByFirst };
}

function inRoundTrips(calls: readonly CallTimes[], pick: (call: CallTimes) => number, at: number): Figure {
  const value = quantile(calls.map(pick), at);
  const roundTrip = quantile(
    calls.map((call) => call.roundTrip),
    at,
  );
  return { value, unit: 'ms', yardstick: { name: ROUND_TRIP, value: roundTrip }, ratio: value / roundTrip };
}

async function run(): Promise<BenchmarkResult> {
  const network = await LoopbackNetwork.create('direct');
  try {
    const parties = await CallParties.start(network);
    try {
      const { calls, wonByPhone, wonByFirst } = await measureCalls(parties);
      const at = (pick: (call: CallTimes) => number, fraction: number) => inRoundTrips(calls, pick, fraction);
      return {
        figures: {
          proposeToRingingP50: at(({ ringingAtCaller }) => ringingAtCaller, 0.5),
          proposeToRingingP99: at(({ ringingAtCaller }) => ringingAtCaller, 0.99),
          proposeToBothRingP50: at(({ bothRing }) => bothRing, 0.5),
          proposeToBothRingP99: at(({ bothRing }) => bothRing, 0.99),
          acceptToActiveP50: at(({ active }) => active, 0.5),
          acceptToActiveP99: at(({ active }) => active, 0.99),
          acceptToSilenceP50: at(({ silent }) => silent, 0.5),
          acceptToSilenceP99: at(({ silent }) => silent, 0.99),
        },
        notes: [
          `${calls.length} calls after ${WARM_UP_CALLS}, one after the other, answered on the two devices in turn; each was answered on exactly one`,
          'from the call of the SDK in one process to the event in the other, by the clock of the machine; everything on loopback',
          'ringing: the caller knows that a device rings; both ring: the second device told its app; active: at both ends; silence: the other device told its app',
          `${CONTESTED_CALLS} more calls were accepted on both devices at once: the phone won ${wonByPhone}, the tablet the others, and never both; the one told first won ${wonByFirst}`,
          'the yardstick is the same quantile of an acknowledged presence.set before each call',
        ],
      };
    } finally {
      await parties.close();
    }
  } finally {
    await network.close();
  }
}

export const calls: Benchmark = {
  name: 'calls',
  what: 'propose to ringing and accept to silence, with a callee on two devices, over loopback',
  run,
};
