import { setTimeout as delay } from 'node:timers/promises';
import { labAvailability } from '@parley/test/natlab';
import { goodput, machineClockMs, openBetween, PathLab, untilDirect } from '@parley/test/paths';
import { BenchmarkUnavailableError, median, type Benchmark, type BenchmarkResult } from './figures.ts';

const HOME = { behaviour: 'endpoint-independent/address-and-port-dependent', clients: 1 } as const;
const ROUNDS = 9;
/** A second is measured on either side of a switch. */
const SETTLE_MS = 1_500;
/** DESIGN and the promise: no less than this of the goodput in the second after the switch. */
const KEPT_SHARE = 0.8;
const DEADLINE_MS = 30_000;

interface Round {
  readonly before: number;
  readonly after: number;
  readonly lostPackets: number;
  readonly directMs: number;
}

/** One stream as fast as it goes, whose direct path is cut and comes back again and again. */
async function measure(): Promise<readonly Round[]> {
  const paths = await PathLab.open({ sides: [HOME, HOME] });
  try {
    const pair = await paths.pair('a1', 'b1');
    const [caller, callee] = pair;
    const cut = () => paths.cut('a', paths.side('b').wanAddress);
    await cut();
    await openBetween(caller, callee);
    const received = callee.run('receiveBulk');
    const sent = caller.run('sendBulk', {});
    const switches: Omit<Round & { at: number }, 'before' | 'after'>[] = [];
    while (switches.length < ROUNDS) {
      await delay(SETTLE_MS);
      const before = await caller.run('quic');
      const mendedAt = machineClockMs();
      await paths.mend('a');
      const at = await untilDirect(pair, mendedAt);
      await delay(SETTLE_MS);
      const lostPackets = (await caller.run('quic')).packetsLost - before.packetsLost;
      switches.push({ at, lostPackets, directMs: at - mendedAt });
      const since = machineClockMs();
      await cut();
      const relayed = { path: 'relayed', since, ms: DEADLINE_MS } as const;
      await Promise.all(pair.map((client) => client.run('travels', relayed)));
    }
    await caller.run('stopBulk');
    await sent;
    const { buckets } = await received;
    return switches.map(({ at, ...rest }) => ({ ...goodput(buckets, at), ...rest }));
  } finally {
    await paths.close();
  }
}

async function run(): Promise<BenchmarkResult> {
  const availability = labAvailability();
  if (availability.kind === 'unavailable') throw new BenchmarkUnavailableError(availability.reason);
  const rounds = await measure();
  const shares = rounds.map(({ before, after }) => after / before);
  const share = median(shares);
  const megabits = (values: readonly number[]) => (median(values) * 8) / 1e6;
  return {
    figures: {
      keptShare: { value: share, unit: 'of the goodput before' },
      relayedBefore: { value: megabits(rounds.map(({ before }) => before)), unit: 'Mbit/s' },
      directAfter: { value: megabits(rounds.map(({ after }) => after)), unit: 'Mbit/s' },
      lostPackets: { value: median(rounds.map(({ lostPackets }) => lostPackets)), unit: 'per switch' },
      directAgain: { value: median(rounds.map(({ directMs }) => directMs)), unit: 'ms after the cut ended' },
    },
    rows: rounds.map(({ before, after, lostPackets, directMs }, index) => ({
      round: index + 1,
      beforeMbits: megabits([before]),
      afterMbits: megabits([after]),
      share: after / before,
      lostPackets,
      directMs,
    })),
    failures: share < KEPT_SHARE ? [`${share.toFixed(2)} of the goodput was kept, not ${KEPT_SHARE}`] : [],
    notes: [
      'real processes behind two kernel NATs; one stream as fast as it goes; medians of the rounds',
      'before and after: bytes that the receiving app got in the second before and after both ends travelled directly',
    ],
  };
}

export const pathSwitch: Benchmark = {
  name: 'path-switch',
  what: 'goodput of a stream in the second before and after it moves from the relay to the direct path',
  run,
};
