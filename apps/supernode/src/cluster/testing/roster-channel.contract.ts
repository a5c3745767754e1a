import { expect, it } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import type { RosterChannel } from '../roster-channel.port.ts';
import type { Roster } from '../roster.ts';
import { rosterOf } from './roster-store.contract.ts';

/** Collects the rosters that one supernode is told. */
class Told {
  readonly rosters: Roster[] = [];
  private readonly arrivals = new EventEmitter();

  readonly listen = (roster: Roster): void => {
    this.rosters.push(roster);
    this.arrivals.emit(String(roster.epoch));
  };

  async hasEpoch(epoch: number): Promise<void> {
    if (this.rosters.some((roster) => roster.epoch === epoch)) return;
    await once(this.arrivals, String(epoch), { signal: AbortSignal.timeout(10_000) });
  }
}

/** What every implementation of the port must do. `make` gives the channel of one cluster as each of its supernodes has it. */
export function rosterChannelContract(make: (count: number) => Promise<readonly RosterChannel[]>): void {
  it('brings rosters to all supernodes that listen, whole and in order', async () => {
    const [a, b, c] = (await make(3)) as [RosterChannel, RosterChannel, RosterChannel];
    const [toB, toC] = [new Told(), new Told()];
    await b.listen(toB.listen);
    await c.listen(toC.listen);
    const empty = { ...rosterOf(8, 'node-a'), seats: [], owners: [], slotEpochs: [] };
    const rosters = [rosterOf(7, 'node-a', 'node-b'), empty, rosterOf(9, 'node-b')];

    for (const roster of rosters) await a.announce(roster);
    await Promise.all([toB.hasEpoch(9), toC.hasEpoch(9)]);

    expect(toB.rosters).toEqual(rosters);
    expect(toC.rosters).toEqual(rosters);
  });

  it('announces where nobody listens', async () => {
    const [a] = await make(1);
    await expect(a!.announce(rosterOf(7, 'node-a'))).resolves.toBeUndefined();
  });

  it('tells nobody what was announced before', async () => {
    const [a, b] = (await make(2)) as [RosterChannel, RosterChannel];
    const told = new Told();
    await a.announce(rosterOf(7, 'node-a'));
    await b.listen(told.listen);
    await a.announce(rosterOf(8, 'node-a'));
    await told.hasEpoch(8);
    expect(told.rosters.map(({ epoch }) => epoch)).toEqual([8]);
  });
}
