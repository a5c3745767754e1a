import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describePaths } from './describe-paths.ts';
import { machineClockMs, type PathClient } from './path-client.ts';
import { mediaPackets, openBetween, PathLab, untilDirect, untilHeard } from './path-lab.ts';

/** Mappings that help nobody: only the local network connects these two directly. */
const HARD = { behaviour: 'address-and-port-dependent/random-ports', clients: 2 } as const;
const DATAGRAMS = 200;
const DEADLINE_MS = 30_000;
/** Consent on the warm relay, keepalives of the registered flow and the like. */
const SIGNS_OF_LIFE = 40;

describePaths('two clients behind one NAT', () => {
  let paths: PathLab;
  let pair: [PathClient, PathClient];

  beforeAll(async () => {
    paths = await PathLab.open({ sides: [HARD] });
    pair = await paths.pair('a1', 'a2');
  });
  afterAll(async () => paths.close());

  it('talk over their own network: no media at the outside of the NAT, none at the server', async () => {
    const since = machineClockMs();
    await openBetween(...pair);
    await untilDirect(pair, since);
    const before = await mediaPackets(paths);

    await Promise.all(pair.map((client) => client.run('tick', { everyMs: 5 })));
    await Promise.all(pair.map((client) => client.run('heardCount', { count: DATAGRAMS, ms: 30_000 })));
    await Promise.all(pair.map((client) => client.run('untick')));

    const after = await mediaPackets(paths);
    expect(after.direct - before.direct).toBe(0);
    expect(after.viaServer - before.viaServer).toBeLessThan(SIGNS_OF_LIFE);
    await untilHeard(pair, since);
  });

  it('find their own network while a call rings, and talk there from the first voice on', async () => {
    const [alice, bob] = pair;
    await alice.run('call', { userId: bob.userId });
    await bob.run('callState', { state: 'ringing', ms: DEADLINE_MS });
    await Promise.all(pair.map((client) => client.run('pathsDirect', { ms: DEADLINE_MS })));

    await bob.run('acceptCall');
    await Promise.all(pair.map((client) => client.run('callState', { state: 'active', ms: DEADLINE_MS })));

    for (const client of pair) expect(await client.run('callPaths')).toEqual(['direct']);
    await alice.run('hangUp');
    await bob.run('callState', { state: 'ended', ms: DEADLINE_MS });
  });
});
