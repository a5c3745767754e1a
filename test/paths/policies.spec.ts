import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describePaths } from './describe-paths.ts';
import { machineClockMs, type PathClient } from './path-client.ts';
import { mediaPackets, openBetween, PathLab, untilDirect, type MediaPackets } from './path-lab.ts';

const HOME = { behaviour: 'endpoint-independent/address-and-port-dependent', clients: 1 } as const;
const HARD = { behaviour: 'address-and-port-dependent/random-ports', clients: 1 } as const;
const DATAGRAMS = 200;
/** Keepalives of the registered flow, consent on a warm relay and the like, in the time that the datagrams take. */
const SIGNS_OF_LIFE = 60;

describePaths('the policy of a session', () => {
  let paths: PathLab;
  let easy: [PathClient, PathClient];
  let hard: [PathClient, PathClient];

  beforeAll(async () => {
    paths = await PathLab.open({ sides: [HOME, HOME, HARD, HARD] });
    easy = await paths.pair('a1', 'b1');
    hard = await paths.pair('c1', 'd1', ['carol', 'david']);
  });
  afterAll(async () => paths.close());
  afterEach(async () => {
    await easy[0].run('close');
  });

  /** What passed the server, and what passed between the NATs, while datagrams went both ways. */
  async function talk(pair: readonly PathClient[]): Promise<Omit<MediaPackets, 'relayed'>> {
    const before = await mediaPackets(paths);
    await Promise.all(pair.map((client) => client.run('tick', { everyMs: 5 })));
    await Promise.all(pair.map((client) => client.run('heardCount', { count: DATAGRAMS, ms: 30_000 })));
    await Promise.all(pair.map((client) => client.run('untick')));
    const after = await mediaPackets(paths);
    return { direct: after.direct - before.direct, viaServer: after.viaServer - before.viaServer };
  }

  it('any: directly where that is possible', async () => {
    const since = machineClockMs();
    await openBetween(...easy, 'any');
    await untilDirect(easy, since);

    const { direct, viaServer } = await talk(easy);

    expect(direct).toBeGreaterThanOrEqual(2 * DATAGRAMS);
    expect(viaServer).toBeLessThan(SIGNS_OF_LIFE);
  });

  it('relay-only: not one packet goes from NAT to NAT, from the offer to the end', async () => {
    const before = await mediaPackets(paths);
    await openBetween(...easy, 'relay-only');

    const { viaServer } = await talk(easy);
    await easy[0].run('close');

    expect((await mediaPackets(paths)).direct - before.direct).toBe(0);
    expect(viaServer).toBeGreaterThanOrEqual(4 * DATAGRAMS);
  });

  it('direct-only: nothing of the session passes the server, not even before the direct path is there', async () => {
    const before = await mediaPackets(paths);
    await openBetween(...easy, 'direct-only');

    const { direct, viaServer } = await talk(easy);
    const states = await Promise.all(easy.map((client) => client.run('state')));

    expect(direct).toBeGreaterThanOrEqual(2 * DATAGRAMS);
    expect(viaServer).toBeLessThan(SIGNS_OF_LIFE);
    expect((await mediaPackets(paths)).relayed - before.relayed).toBe(0);
    for (const { pathLog } of states) expect(pathLog.map(([path]) => path)).not.toContain('relayed');
  });

  it('direct-only between NATs that cannot be crossed: a typed failure in the time that was asked for', async () => {
    const [carol, david] = hard;
    const beganAt = machineClockMs();

    const opening = carol.run('open', { userId: david.userId, policy: 'direct-only', timeoutMs: 8_000 });

    await expect(opening).rejects.toMatchObject({ code: 'EDGE_PATH_FAILED' });
    expect(machineClockMs() - beganAt).toBeLessThan(20_000);
  });

  it('any between such NATs: relayed, and it works', async () => {
    await openBetween(...hard, 'any');

    const { viaServer, direct } = await talk(hard);

    expect(viaServer).toBeGreaterThanOrEqual(4 * DATAGRAMS);
    expect(direct).toBeLessThan(DATAGRAMS);
  });
});
