import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describePaths } from './describe-paths.ts';
import { machineClockMs, type PathClient } from './path-client.ts';
import { openBetween, PathLab, untilDirect, untilHeard } from './path-lab.ts';
import { FORGER_PROGRAM } from './program-paths.ts';

/** Lets everybody in, so that nothing of an attacker is stopped on the way. */
const OPEN_HOME = { behaviour: 'endpoint-independent/endpoint-independent', clients: 1 } as const;
const PUBLIC = { behaviour: 'none', clients: 1 } as const;
const BOB_PORT = 40_000;
const VICTIM_PORT = 50_000;
const ROUNDS = 50;
/** Datagrams of one round of the forger: a check per fragment, one for nobody, an answer, two of noise. */
const KINDS = 5;
/** Retransmissions of a check (RFC 8489 section 6.2.1), once for each candidate of two types. */
const MOST_CHECKS = 16;

describePaths('an attacker', () => {
  let paths: PathLab;
  let pair: [PathClient, PathClient];
  let mallory: PathClient;

  beforeAll(async () => {
    // a: Alice, b: Bob, c: the attacker, d: the victim
    paths = await PathLab.open({ sides: [OPEN_HOME, OPEN_HOME, { ...PUBLIC, clients: 2 }, PUBLIC] });
    pair = await paths.pair('a1', 'b1', ['alice', 'bobby'], { port: BOB_PORT });
    const victim = { address: victimAddress(), port: VICTIM_PORT };
    mallory = await paths.client('c1', 'mallory', { claims: [victim] });
  });
  afterAll(async () => paths.close());

  function victimAddress(): string {
    return paths.side('d').clients[0]!.address;
  }

  /** Everything that came to the network of the victim, from clients and from the server. */
  async function packetsAtVictim(): Promise<number> {
    const { routers } = await paths.lab.counters();
    const router = routers.find(({ side }) => side === 'd');
    return (router?.direct.in.packets ?? 0) + (router?.server.in.packets ?? 0);
  }

  async function forge(ufrags: readonly string[]): Promise<number> {
    const [server] = paths.lab.server.addresses;
    // A machine of its own: as it claims the server's address it no longer reaches the server.
    const attacker = paths.side('c').clients[1]!;
    const sources = [
      { address: attacker.address, port: VICTIM_PORT },
      { address: victimAddress(), port: VICTIM_PORT },
      { address: server, port: 3478 },
      { address: paths.side('a').wanAddress, port: VICTIM_PORT },
    ];
    await paths.impersonate(attacker.host, sources.slice(1).map(({ address }) => address)); // prettier-ignore
    const target = { address: paths.side('b').wanAddress, port: BOB_PORT };
    const argument = JSON.stringify({ sources, target, ufrags, rounds: ROUNDS });
    const child = paths.lab.spawn(attacker.host, process.execPath, [FORGER_PROGRAM, argument], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    await once(child, 'close');
    return Number(output);
  }

  it('who forges checks, answers and noise, also in the name of others, moves nobody to send anything', async () => {
    const since = machineClockMs();
    await openBetween(...pair);
    await untilDirect(pair, since);
    const ufrags = await pair[1].run('ufrags');
    const before = await packetsAtVictim();
    const droppedBefore = await pair[1].run('drops');

    const sent = await forge(ufrags);

    await Promise.all(pair.map((client) => client.run('tick', { everyMs: 20 })));
    const afterwards = machineClockMs();
    await untilHeard(pair, afterwards);
    await Promise.all(pair.map((client) => client.run('untick')));
    expect(sent).toBe(4 * ROUNDS * (KINDS - 1 + ufrags.length));
    // They did arrive.
    expect((await pair[1].run('drops')) - droppedBefore).toBeGreaterThan(sent / 2);
    expect((await packetsAtVictim()) - before).toBe(0);
    expect((await pair[1].run('state')).path).toBe('direct');
    await pair[0].run('close');
  });

  it('a stranger who names a victim: nothing before the user accepts, a few checks and no data after it', async () => {
    const [, bob] = pair;
    const before = await packetsAtVictim();
    const strangers = async () => {
      const { routers } = await paths.lab.counters();
      return routers.find(({ side }) => side === 'c')?.direct.in.packets ?? 0;
    };
    const atStrangerBefore = await strangers();

    const opening = mallory.run('open', { userId: bob.userId, timeoutMs: 25_000 });
    await bob.run('requested', { ms: 20_000 });
    await bob.run('stay', { ms: 2_000 });
    expect((await packetsAtVictim()) - before).toBe(0);
    expect((await strangers()) - atStrangerBefore).toBe(0);

    await bob.run('acceptRequest');
    await opening;
    await Promise.all([mallory, bob].map((client) => client.run('tick', { everyMs: 5 })));
    await untilHeard([mallory, bob], machineClockMs());
    await bob.run('stay', { ms: 8_000 });
    await Promise.all([mallory, bob].map((client) => client.run('untick')));

    const came = (await packetsAtVictim()) - before;
    expect(came).toBeGreaterThan(0);
    expect(came).toBeLessThanOrEqual(MOST_CHECKS);
    await mallory.run('close');
  });
});
