import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { describePaths } from './describe-paths.ts';
import { machineClockMs, type PathClient } from './path-client.ts';
import { openBetween, PathLab, untilDirect, untilHeard } from './path-lab.ts';

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
