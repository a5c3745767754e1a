import { setTimeout as wait } from 'node:timers/promises';
import { RedisServer } from './redis-server.ts';

const HASH_SLOTS = 16_384;
const FORM_LIMIT_MS = 20_000;
/** A replica joins nobody here, and a server that is lost stays lost for a test. */
const OPTIONS = [
  '--cluster-enabled',
  'yes',
  '--cluster-node-timeout',
  '2000',
  '--cluster-announce-ip',
  '127.0.0.1',
];

/** A Redis Cluster of a test: three servers without replicas. */
export class RedisClusterLab {
  private constructor(readonly servers: readonly [RedisServer, RedisServer, RedisServer]) {}

  static async start(): Promise<RedisClusterLab> {
    const servers = await Promise.all([1, 2, 3].map(() => RedisServer.start(OPTIONS)));
    const [first, second, third] = servers as [RedisServer, RedisServer, RedisServer];
    const share = Math.ceil(HASH_SLOTS / servers.length);
    for (const [index, server] of servers.entries()) {
      const last = Math.min(HASH_SLOTS, (index + 1) * share) - 1;
      server.cli('CLUSTER', 'ADDSLOTSRANGE', String(index * share), String(last));
      server.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
    }
    for (const server of [second, third]) first.cli('CLUSTER', 'MEET', '127.0.0.1', String(server.port));
    await formed(servers);
    return new RedisClusterLab([first, second, third]);
  }

  get url(): string {
    const [first, ...others] = this.servers.map(({ port }) => `127.0.0.1:${port}`);
    return `redis+cluster://${first}?${others.map((other) => `node=${other}`).join('&')}`;
  }

  /** How many keys each server has. */
  keyCounts(): number[] {
    return this.servers.map((server) => Number(server.cli('DBSIZE')));
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }
}

async function formed(servers: readonly RedisServer[]): Promise<void> {
  for (const deadline = Date.now() + FORM_LIMIT_MS; ;) {
    const infos = servers.map((server) => server.cli('CLUSTER', 'INFO'));
    const isFormed = infos.every(
      (info) => info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${servers.length}`),
    );
    if (isFormed) return;
    if (Date.now() > deadline) throw new Error(`the Redis Cluster did not form: ${infos.join('\n')}`);
    await wait(50);
  }
}
