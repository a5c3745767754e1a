import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { describePaths } from './describe-paths.ts';
import { machineClockMs, type Arrival, type PathClient } from './path-client.ts';
import { openBetween, PathLab, pathsOf, untilDirect, untilHeard } from './path-lab.ts';

const HOME = { behaviour: 'endpoint-independent/address-and-port-dependent', clients: 1 } as const;

/** What happens to the network, who feels it, and what undoes it. */
interface Event {
  readonly name: string;
  readonly happen: (paths: PathLab) => Promise<unknown>;
  readonly undo?: (paths: PathLab) => Promise<unknown>;
  /** Where packets of the session arrive afterwards. */
  readonly sides: readonly string[];
  /** From the event to the first datagram in either direction. */
  readonly withinMs: number;
}

const EVENTS: readonly Event[] = [
  {
    name: 'the NAT of the caller forgets its mappings',
    happen: (paths) => paths.lab.rebind('a'),
    sides: ['a', 'b'],
    withinMs: 3_000,
  },
  {
    name: 'the NAT of the callee forgets its mappings',
    happen: (paths) => paths.lab.rebind('b'),
    sides: ['a', 'b'],
    withinMs: 3_000,
  },
  {
    name: 'the caller moves to another network',
    happen: (paths) => paths.lab.move('a1', 'c'),
    undo: (paths) => paths.lab.move('a1', 'a'),
    sides: ['c', 'b'],
    withinMs: 3_000,
  },
  {
    name: 'the callee moves to another network',
    happen: (paths) => paths.lab.move('b1', 'd'),
    undo: (paths) => paths.lab.move('b1', 'b'),
    sides: ['a', 'd'],
    withinMs: 3_000,
  },
  {
    name: 'both forget at once',
    happen: (paths) => Promise.all([paths.lab.rebind('a'), paths.lab.rebind('b')]),
    sides: ['a', 'b'],
    withinMs: 3_000,
  },
  {
    name: 'both move at once',
    happen: (paths) => Promise.all([paths.lab.move('a1', 'c'), paths.lab.move('b1', 'd')]),
    undo: (paths) => Promise.all([paths.lab.move('a1', 'a'), paths.lab.move('b1', 'b')]),
    sides: ['c', 'd'],
    withinMs: 3_000,
  },
];

describePaths('sessions that survive', () => {
  let paths: PathLab;
  let pair: [PathClient, PathClient];

  beforeAll(async () => {
    paths = await PathLab.open({ sides: [HOME, HOME, HOME, HOME] });
    pair = await paths.pair('a1', 'b1');
  });
  afterAll(async () => paths.close());

  beforeEach(async () => {
    const since = machineClockMs();
    await openBetween(...pair);
    await untilDirect(pair, since);
    await Promise.all(pair.map((client) => client.run('tick', { everyMs: 20 })));
    await untilHeard(pair, since);
  });
  afterEach(async () => {
    await Promise.all(pair.map((client) => client.run('untick')));
    await pair[0].run('close');
  });

  async function expectSameSession(): Promise<void> {
    const states = await Promise.all(pair.map((client) => client.run('state')));
    for (const { closure } of states) expect(closure).toBeNull();
  }

  it('the direct path is cut: the relay carries data within a second, until the direct path is back', async () => {
    const cutAt = machineClockMs();
    await paths.cut('a', paths.side('b').wanAddress);
    const heardAt = await untilHeard(pair, machineClockMs());
    await Promise.all(
      pair.map((client) => client.run('travels', { path: 'relayed', since: cutAt, ms: 30_000 })),
    );
    const mendedAt = machineClockMs();
    await paths.mend('a');
    await untilDirect(pair, mendedAt);

    for (const at of heardAt) expect(at - cutAt).toBeLessThan(1_000);
    await expectSameSession();
  });

  it.each(['caller', 'callee'] as const)('an ICE restart that the %s asks for', async (who) => {
    const asks = pair[who === 'caller' ? 0 : 1];
    const ufrags = () => Promise.all(pair.map((client) => client.run('ufrags')));
    const before = await ufrags();

    const askedAt = machineClockMs();
    await asks.run('restartPath');
    await Promise.all(pair.map((client) => client.run('heard', { since: askedAt + 3_000, ms: 30_000 })));
    await paths.directPackets(['a', 'b'], 20);

    const after = await ufrags();
    for (const at of [0, 1]) expect(after[at]!.at(-1)).not.toBe(before[at]!.at(-1));
    const arrivals = await Promise.all(pair.map((client) => client.run('arrivals')));
    for (const arrived of arrivals) expect(gapsIn(arrived)).toEqual([]);
    expect(await pathsOf(pair)).toEqual(['direct', 'direct']);
    await expectSameSession();
  });

  it.each(EVENTS)('$name', async ({ happen, undo, sides, withinMs }) => {
    const changes = [[happen, sides], ...(undo ? [[undo, ['a', 'b']] as const] : [])] as const;
    for (const [change, where] of changes) {
      await change(paths);
      const doneAt = machineClockMs();
      const heardAt = await untilHeard(pair, doneAt);
      await paths.directPackets(where, 20);

      for (const at of heardAt) expect(at - doneAt).toBeLessThan(withinMs);
    }
    await expectSameSession();
  });
});

/** Numbers that are missing between the first and the last that arrived. */
function gapsIn(arrivals: readonly Arrival[]): number[] {
  const arrived = new Set(arrivals.map(([sequence]) => sequence));
  const [first, last] = [Math.min(...arrived), Math.max(...arrived)];
  return Array.from({ length: last - first }, (_, at) => first + at).filter((number) => !arrived.has(number));
}

describePaths('a client without a session', () => {
  /** Two seconds to see it, two for a request that gets no answer, a new connection; the next sign of life of the flow would take 20 s. */
  const WITHIN_MS = 10_000;

  it('is online in another network soon after it moved there', async () => {
    const paths = await PathLab.open({ sides: [HOME, HOME, HOME] });
    try {
      const [alice, bob] = await paths.pair('a1', 'b1');

      const movedAt = machineClockMs();
      await paths.lab.move('a1', 'c');
      const onlineAt = await alice.run('online', { since: movedAt, ms: 90_000 });

      expect(onlineAt - movedAt).toBeLessThan(WITHIN_MS);
      await openBetween(bob, alice);
      await untilDirect([alice, bob], movedAt);
      await alice.run('close');
    } finally {
      await paths.close();
    }
  });
});
