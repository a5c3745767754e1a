import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { administrationEnvironment } from '../natlab/administration.ts';
import { createLab, type Lab, type LabOptions } from '../natlab/lab.ts';
import type { LabSide } from '../natlab/topology.ts';
import { startSupernode, type RunningSupernode } from '../system/start-supernode.ts';
import { machineClockMs, PathClient, type JoinOptions } from './path-client.ts';
import { CLIENT_PROGRAM } from './program-paths.ts';

export type { JoinOptions } from './path-client.ts';

/** The public range of the lab is a special-purpose one, which relays refuse by default. */
const LAB_NETWORK = '198.18.0.0/15';
const DEADLINE_MS = 40_000;

/** A supernode and edge clients, each in a process of its own, around real kernel NATs. */
export class PathLab {
  readonly lab: Lab;
  readonly #supernode: RunningSupernode;
  readonly #folder: string;
  readonly #clients: PathClient[] = [];

  private constructor(lab: Lab, supernode: RunningSupernode, folder: string) {
    this.lab = lab;
    this.#supernode = supernode;
    this.#folder = folder;
  }

  static async open(options: LabOptions): Promise<PathLab> {
    const lab = await createLab(options);
    const folder = await mkdtemp(join(tmpdir(), 'parley-paths-'));
    const [address, alternate] = lab.server.addresses;
    try {
      const supernode = await startSupernode({
        dataDir: folder,
        spawn: (command, args, spawnOptions) => lab.spawn(lab.server.host, command, args, spawnOptions),
        env: {
          SUPERNODE_HOST: address,
          SUPERNODE_PUBLIC_ADDRESS: address,
          SUPERNODE_ALT_ADDRESS: alternate,
          SUPERNODE_STUN_PORT: '3478',
          SUPERNODE_STUN_ALT_PORT: '3479',
          SUPERNODE_RELAY_ALLOW_PEERS: LAB_NETWORK,
          SUPERNODE_PUZZLE_BITS: '0',
        },
      });
      return new PathLab(lab, supernode, folder);
    } catch (thrown) {
      await lab.close();
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    }
  }

  /** A registered client that is online, on a machine of the lab. */
  async client(host: string, handle: string, options: JoinOptions = {}): Promise<PathClient> {
    const child = this.lab.spawn(host, process.execPath, [CLIENT_PROGRAM], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const client = new PathClient(host, child);
    this.#clients.push(client);
    const dataDir = join(this.#folder, handle);
    client.userId = await client.run('join', { url: this.#supernode.url, dataDir, handle, ...options });
    return client;
  }

  /** Two clients that are contacts of each other. */
  async pair(
    first: string,
    second: string,
    [oneHandle, otherHandle] = ['alice', 'bobby'],
    otherOptions: JoinOptions = {},
  ): Promise<[PathClient, PathClient]> {
    const [a, b] = await Promise.all([
      this.client(first, oneHandle),
      this.client(second, otherHandle, otherOptions),
    ]);
    await a.run('request', { userId: b.userId });
    await b.run('accept', { userId: a.userId });
    await a.run('known', { userId: b.userId });
    return [a, b];
  }

  /** Lets programs on a machine send from addresses of others; the network lets it pass. */
  async impersonate(host: string, addresses: readonly string[]): Promise<void> {
    for (const address of addresses)
      await this.#administer(host, 'ip', ['address', 'replace', `${address}/32`, 'dev', 'lo']);
  }

  side(name: string): LabSide {
    const side = this.lab.sides.find((candidate) => candidate.name === name);
    if (side === undefined) throw new TypeError(`there is no side ${name}`);
    return side;
  }

  /** From now on the router of a side drops everything that comes from or goes to an address. */
  async cut(sideName: string, address: string): Promise<void> {
    await this.#nft(
      sideName,
      `table ip cut {
  chain passing {
    type filter hook forward priority -5;
    ip saddr ${address} drop
    ip daddr ${address} drop
  }
}`,
    );
  }

  /** Ends what {@link cut} began. */
  async mend(sideName: string): Promise<void> {
    await this.#nft(sideName, 'delete table ip cut');
  }

  /** Resolves when so many packets have come to each of these sides from another one since the call. */
  async directPackets(sides: readonly string[], count: number): Promise<void> {
    const arrived = async (): Promise<number[]> => {
      const { routers } = await this.lab.counters();
      return sides.map((name) => routers.find(({ side }) => side === name)?.direct.in.packets ?? 0);
    };
    const before = await arrived();
    const deadline = machineClockMs() + DEADLINE_MS;
    for (;;) {
      const now = await arrived();
      if (now.every((packets, at) => packets >= (before[at] ?? 0) + count)) return;
      if (machineClockMs() > deadline)
        throw new TypeError(`no direct packets: ${String(before)}, ${String(now)}`);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    await this.#supernode.stop();
    await this.lab.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #nft(sideName: string, rules: string): Promise<void> {
    await this.#administer(this.side(sideName).router, 'nft', ['-f', '-'], rules);
  }

  async #administer(host: string, command: string, args: readonly string[], input?: string): Promise<void> {
    const child = this.lab.spawn(host, command, args, {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'inherit', 'inherit'],
      env: administrationEnvironment(),
    });
    const ended = once(child, 'exit');
    child.stdin?.end(input);
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new TypeError(`${command} on ${host} ended with ${String(code)}`);
  }
}

/** UDP packets so far; each kind counted where it arrives, and at the server where it leaves too. */
export interface MediaPackets {
  /** From one side to another. */
  readonly direct: number;
  readonly viaServer: number;
  /** On ports of allocations, as the TURN server has them; the registered flows share the STUN port. */
  readonly relayed: number;
}

export async function mediaPackets({ lab }: PathLab): Promise<MediaPackets> {
  const { server, routers, viaServer } = await lab.counters();
  // Also what leaves a NAT for another one and does not get in.
  const direct = routers.reduce(
    (sum, router) => sum + router.direct.in.packets + router.direct.out.packets,
    0,
  );
  return {
    direct,
    viaServer: viaServer.packets,
    relayed: server.relay.in.packets + server.relay.out.packets,
  };
}

/** Opens a session; resolves when both ends have it. */
export async function openBetween(
  caller: PathClient,
  callee: PathClient,
  policy: 'any' | 'direct-only' | 'relay-only' = 'any',
): Promise<void> {
  const taken = callee.run('take');
  await caller.run('open', { userId: callee.userId, policy });
  await taken;
}

/** When both ends travel directly, at or after `since`. */
export async function untilDirect(pair: readonly PathClient[], since: number): Promise<number> {
  const times = pair.map((client) => client.run('travels', { path: 'direct', since, ms: DEADLINE_MS }));
  return Math.max(...(await Promise.all(times)));
}

/** When each end first got something that the other one sent at or after `since`. */
export function untilHeard(pair: readonly PathClient[], since: number): Promise<number[]> {
  return Promise.all(pair.map((client) => client.run('heard', { since, ms: DEADLINE_MS })));
}

export async function pathsOf(pair: readonly PathClient[]): Promise<string[]> {
  const states = await Promise.all(pair.map((client) => client.run('state')));
  return states.map(({ path }) => path);
}
