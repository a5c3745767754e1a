import { setTimeout } from 'node:timers/promises';
import { afterEach, expect, it } from '@jest/globals';
import { goodput } from './goodput.ts';
import { describePaths } from './describe-paths.ts';
import { machineClockMs, type Arrival, type PathClient } from './path-client.ts';
import { openBetween, PathLab, pathsOf, untilDirect, untilHeard } from './path-lab.ts';

const PORT_RESTRICTED = 'endpoint-independent/address-and-port-dependent';
const SIDES = [
  { behaviour: PORT_RESTRICTED, clients: 1 },
  { behaviour: PORT_RESTRICTED, clients: 1 },
] as const;
const DEADLINE_MS = 30_000;
describePaths('from the relay to the direct path', () => {
  let paths: PathLab;

  afterEach(async () => paths.close());

  /** A session whose direct path is cut, and so travels through the relay. */
  async function relayed(): Promise<[PathClient, PathClient]> {
    paths = await PathLab.open({ sides: SIDES });
    const pair = await paths.pair('a1', 'b1');
    await paths.cut('a', paths.side('b').wanAddress);
    await openBetween(...pair);
    expect(await pathsOf(pair)).toEqual(['relayed', 'relayed']);
    return pair;
  }

  it('loses no datagram and doubles none in either direction', async () => {
    const pair = await relayed();
    const [alice, bob] = pair;
    await Promise.all(pair.map((client) => client.run('tick', { everyMs: 10 })));
    await bob.run('heardCount', { count: 50, ms: DEADLINE_MS });

    await paths.mend('a');
    const directAt = await untilDirect(pair, machineClockMs());
    await untilHeard(pair, directAt + 500);
    const [sentByAlice, sentByBob] = await Promise.all(pair.map((client) => client.run('untick')));
    await alice.run('heardCount', { count: sentByBob!.sent, ms: DEADLINE_MS });
    await bob.run('heardCount', { count: sentByAlice!.sent, ms: DEADLINE_MS });

    const [atAlice, atBob] = await Promise.all(pair.map((client) => client.run('arrivals')));
    expect(sequences(atBob!)).toEqual(upTo(sentByAlice!.sent));
    expect(sequences(atAlice!)).toEqual(upTo(sentByBob!.sent));
    expect([sentByAlice!.refused, sentByBob!.refused]).toEqual([0, 0]);
    expect(await pathsOf(pair)).toEqual(['direct', 'direct']);
  });

  it('keeps a bulk stream whole, and its goodput', async () => {
    const pair = await relayed();
    const [alice, bob] = pair;
    const received = bob.run('receiveBulk');
    // What a busy machine can carry by either path, so that a drop is the switch's.
    const sent = alice.run('sendBulk', { bytesPerSecond: 1_000_000 });
    await setTimeout(1_500); // the time before is measured too
    const mendedAt = machineClockMs();
    await paths.mend('a');
    const directAt = await untilDirect(pair, mendedAt);
    await setTimeout(1_500);
    await alice.run('stopBulk');

    const [{ sha256, bytes }, arrived] = await Promise.all([sent, received]);
    expect({ sha256: arrived.sha256, bytes: arrived.bytes }).toEqual({ sha256, bytes });
    const { before, after } = goodput(arrived.buckets, directAt);
    expect(before).toBeGreaterThan(300_000);
    expect(after / before).toBeGreaterThanOrEqual(0.8);
  });
});

function sequences(arrivals: readonly Arrival[]): number[] {
  return arrivals.map(([sequence]) => sequence).sort((one, other) => one - other);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}
