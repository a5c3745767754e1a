import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeCluster } from '../cluster/describe-cluster.ts';
import { PostgresServer } from '../cluster/postgres-server.ts';
import { ProcessGroup } from '../cluster/process-group.ts';
import { RedisServer } from '../cluster/redis-server.ts';
import { LOOPBACK, until } from '../cluster/waiting.ts';
import { labAvailability } from '../natlab/availability.ts';
import { createLab, type Lab } from '../natlab/lab.ts';
import { LoopbackBridge } from '../natlab/loopback-bridge.ts';
import { tunUnavailable } from '../natlab/tun-availability.ts';
import { machineClockMs, PathClient, type Arrival } from '../paths/path-client.ts';
import { CLIENT_PROGRAM } from '../paths/program-paths.ts';
import { startSupernode, type RunningSupernode } from './start-supernode.ts';

const HOME = { behaviour: 'endpoint-independent/address-and-port-dependent', clients: 1 } as const;
const PUBLIC = { behaviour: 'none', clients: 1 } as const;
/** The public range of the lab is a special-purpose one, which relays refuse by default. */
const LAB_NETWORK = '198.18.0.0/15';
/** What the far relay adds to each of the two legs, one way: 160 ms of a round trip from end to end. */
const FAR_MS = 40;
const NONE = { delayMs: 0, loss: 0 } as const;
const ADMIN_KEY = randomBytes(32).toString('base64url');
/** Says `verified` when the supernode at `argv[1]` lists another one as such. */
const UNTIL_VERIFIED = `
const look = async () => {
  const response = await fetch(process.argv[1] + '/v1/supernodes', { headers: { authorization: 'Bearer ' + process.argv[3] } });
  const { items } = await response.json();
  return items.some(({ nodeId, lease }) => nodeId === process.argv[2] && lease?.reachability === 'verified');
};
const again = () => look().then((isVerified) => (isVerified ? console.log('verified') : setTimeout(again, 100)));
again();
`;

const availability = labAvailability();
const missing = availability.kind === 'unavailable' ? availability.reason : tunUnavailable();

if (missing !== undefined) {
  describe('relays at different distances', () => {
    it(`cannot be built on this machine: ${missing}`, async () => {
      await expect(createLab({ sides: [], adjustableLinks: true })).rejects.toMatchObject({
        code: 'LAB_UNAVAILABLE',
      });
    });
  });
} else {
  describeCluster('of two relays at different distances, real ones', () => {
    let folder: string;
    let group: ProcessGroup;
    let lab: Lab;
    let bridge: LoopbackBridge;
    const supernodes: RunningSupernode[] = [];
    const clients: PathClient[] = [];
    /** Addresses of the two relays: of the home, and of the supernode that only relays. */
    let home: string;
    let other: string;
    let homeUrl: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'parley-near-'));
      group = await ProcessGroup.open();
      lab = await createLab({ sides: [HOME, HOME, PUBLIC], adjustableLinks: true });
      const [redis, postgres] = await Promise.all([RedisServer.start(group), PostgresServer.start(group)]);
      bridge = await LoopbackBridge.open([redis.port, postgres.port]);
      const relayMachine = lab.sides[2]?.clients[0];
      if (relayMachine === undefined) throw new TypeError('no machine for the relay');
      [home, other] = [lab.server.addresses[0], relayMachine.address];
      const start = async (host: string, address: string, env: Readonly<Record<string, string>>) => {
        await bridge.lead(lab, host);
        const supernode = await startSupernode({
          dataDir: join(folder, host),
          spawn: (command, args, options) => lab.spawn(host, command, args, options),
          env: {
            REDIS_URL: `redis://${LOOPBACK}:${redis.port}`,
            DATABASE_URL: postgres.url,
            SUPERNODE_NODE_ID: host,
            SUPERNODE_HOST: address,
            SUPERNODE_PUBLIC_ADDRESS: address,
            SUPERNODE_ADMIN_KEY: ADMIN_KEY,
            SUPERNODE_STUN_PORT: '3478',
            SUPERNODE_STUN_ALT_PORT: '3479',
            SUPERNODE_RELAY_ALLOW_PEERS: LAB_NETWORK,
            SUPERNODE_PUZZLE_BITS: '0',
            ...env,
          },
        });
        supernodes.push(supernode);
        return supernode;
      };
      const [atHome] = await Promise.all([
        start(lab.server.host, home, {}),
        start(relayMachine.host, other, { SUPERNODE_ROLES: 'relay' }),
      ]);
      homeUrl = atHome.url;
      await untilVerified(lab, String(atHome.ready['admin']), relayMachine.host);
      const [alice, bobby] = await Promise.all([joined('a1', 'alice'), joined('b1', 'bobby')]);
      await alice.run('request', { userId: bobby.userId });
      await bobby.run('accept', { userId: alice.userId });
      await alice.run('known', { userId: bobby.userId });
    }, 120_000);

    afterAll(async () => {
      await Promise.all(clients.map((client) => client.stop()));
      await Promise.all(supernodes.map((supernode) => supernode.kill()));
      await bridge.close();
      await lab.close();
      await group.close();
      await rm(folder, { recursive: true, force: true });
    }, 60_000);

    async function joined(host: string, handle: string): Promise<PathClient> {
      const child = lab.spawn(host, process.execPath, [CLIENT_PROGRAM], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      const client = new PathClient(host, child);
      clients.push(client);
      client.userId = await client.run('join', { url: homeUrl, dataDir: join(folder, handle), handle });
      return client;
    }

    /** By each end: whether all relays that it knows of are at this address. */
    async function areAt(address: string): Promise<boolean> {
      const states = await Promise.all(clients.map((client) => client.run('state')));
      return states.every(({ path, relays }) => {
        const known = [relays?.own, relays?.peer].filter((relay) => relay !== undefined);
        return (
          path === 'relayed' && known.length > 0 && known.every((relay) => relay.startsWith(`${address}:`))
        );
      });
    }

    async function talk(): Promise<readonly [PathClient, PathClient]> {
      const [alice, bobby] = clients as [PathClient, PathClient];
      const taken = bobby.run('take');
      await alice.run('open', { userId: bobby.userId, policy: 'relay-only' });
      await taken;
      return [alice, bobby];
    }

    it('the near one carries the session soon where the home is far', async () => {
      await lab.impair(lab.server.host, { delayMs: FAR_MS, loss: 0 });
      const [alice, bobby] = await talk();
      expect(await areAt(home)).toBe(true);
      await alice.run('tick', { everyMs: 20 });

      await until('both ends at the near relay', async () => ((await areAt(other)) ? true : undefined));

      const since = machineClockMs();
      await bobby.run('heard', { since, ms: 10_000 });
      const arrivals = await bobby.run('arrivals');
      const leastDelay = (which: readonly Arrival[]) => Math.min(...which.map(([, sent, at]) => at - sent));
      expect(leastDelay(arrivals.slice(0, 10))).toBeGreaterThanOrEqual(2 * FAR_MS);
      expect(leastDelay(arrivals.filter(([, sentAt]) => sentAt >= since))).toBeLessThan(FAR_MS);
      await alice.run('untick');
      await alice.run('close');
    }, 60_000);

    it('the home goes on where it is the near one', async () => {
      await lab.impair(lab.server.host, NONE);
      await lab.impair('c', { delayMs: FAR_MS, loss: 0 });
      const [alice] = await talk();

      // Longer than the far one was kept.
      await alice.run('stay', { ms: 5_000 });

      expect(await areAt(home)).toBe(true);
      await alice.run('close');
    }, 60_000);
  });
}

async function untilVerified(lab: Lab, adminUrl: string, nodeId: string): Promise<void> {
  const args = ['-e', UNTIL_VERIFIED, adminUrl, nodeId, ADMIN_KEY];
  const child = lab.spawn(lab.server.host, process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new TypeError('the process has no pipe');
  const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as unknown[];
  if (String(said) !== 'verified\n') throw new TypeError('the relay was not verified');
}
