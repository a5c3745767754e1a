import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describePaths } from './describe-paths.ts';
import { GatewayDaemon } from './gateway-daemon.ts';
import { machineClockMs, type PathClient } from './path-client.ts';
import { openBetween, PathLab, untilDirect } from './path-lab.ts';

const RANDOM = 'address-and-port-dependent/random-ports';
const GUARDED = 'endpoint-independent/address-and-port-dependent';
const MAPPED = { portMapping: true } as const;
/** A session that has to guess ports sends hundreds. */
const FEW_CHECKS = 60;

describePaths('a port of the router, by miniupnpd', () => {
  let paths: PathLab;
  let withAll: GatewayDaemon;
  let withUpnp: GatewayDaemon;
  /** Behind the router that speaks all protocols, with and without a port of it. */
  let alice: PathClient;
  let adam: PathClient;
  /** Behind a router that gives nothing. */
  let bobby: PathClient;
  /** Behind a router that speaks UPnP only. */
  let carol: PathClient;

  beforeAll(async () => {
    paths = await PathLab.open({
      sides: [
        { behaviour: RANDOM, clients: 2 },
        { behaviour: RANDOM, clients: 1 },
        { behaviour: GUARDED, clients: 1 },
      ],
    });
    const { lab } = paths;
    withAll = await GatewayDaemon.start(lab, paths.side('a'), { pcp: true, upnp: true });
    withUpnp = await GatewayDaemon.start(lab, paths.side('c'), { pcp: false, upnp: true });
    [alice, adam, bobby, carol] = await Promise.all([
      paths.client('a1', 'alice', MAPPED),
      paths.client('a2', 'adam'),
      paths.client('b1', 'bobby'),
      paths.client('c1', 'carol', MAPPED),
    ]);
    for (const client of [alice, adam, carol]) {
      await client.run('request', { userId: bobby.userId });
      await bobby.run('accept', { userId: client.userId });
      await client.run('known', { userId: bobby.userId });
    }
  });

  afterAll(async () => {
    await withAll.stop();
    await withUpnp.stop();
    await paths.close();
  });

  it('netcheck tells what a router speaks', async () => {
    expect(await alice.run('gateway')).toEqual({ gateway: '10.1.0.1', pcp: true, natPmp: true, upnp: 2 });
    expect(await bobby.run('gateway')).toEqual({ gateway: '10.2.0.1', pcp: false, natPmp: false });
    expect(await carol.run('gateway')).toEqual({ gateway: '10.3.0.1', pcp: false, natPmp: false, upnp: 2 });
  });

  it('without it, two NATs with random ports cannot be crossed', async () => {
    const opening = adam.run('open', { userId: bobby.userId, policy: 'direct-only', timeoutMs: 6_000 });

    await expect(opening).rejects.toMatchObject({ code: 'EDGE_PATH_FAILED' });
  });

  it('with one by PCP on one side, they can', async () => {
    const since = machineClockMs();
    await openBetween(alice, bobby);

    await untilDirect([alice, bobby], since);

    expect((await alice.run('state')).checksSent).toBeLessThan(FEW_CHECKS);
    expect(await withAll.mappedPorts()).toHaveLength(1);
    expect(await alice.run('portMappingDrops')).toEqual({});
    await alice.run('close');
  });

  it('with one by UPnP, a guarded NAT and random ports meet without guessing', async () => {
    const since = machineClockMs();
    await openBetween(carol, bobby);

    await untilDirect([carol, bobby], since);

    expect((await carol.run('state')).checksSent).toBeLessThan(FEW_CHECKS);
    expect((await bobby.run('state')).checksSent).toBeLessThan(FEW_CHECKS);
    expect(await withUpnp.mappedPorts()).toHaveLength(1);
    expect(await carol.run('portMappingDrops')).toEqual({ 'gateway-silent': 1 });
    await carol.run('close');
  });

  it('gives the port back when the client closes', async () => {
    await Promise.all([alice.run('leave'), carol.run('leave')]);

    expect(await withAll.mappedPorts()).toEqual([]);
    expect(await withUpnp.mappedPorts()).toEqual([]);
  });
});
