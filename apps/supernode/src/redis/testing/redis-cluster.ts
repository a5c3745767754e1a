import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '@parley/nat/testing';
import { RedisServer } from './redis-server.ts';

const HASH_SLOTS = 16_384;
const LIMIT_MS = 20_000;
/** Short, so that a failover takes some seconds of a test. */
const OPTIONS = [
  '--cluster-enabled',
  'yes',
  '--cluster-node-timeout',
  '2000',
  '--cluster-announce-ip',
  '127.0.0.1',
];

/** Paths of PEM files. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

interface LabOptions {
  readonly hasReplica?: boolean;
  /** The servers speak TLS with clients and with each other, and name each other by their TLS ports; without a replica. */
  readonly tls?: TlsFiles;
}

/** A Redis Cluster of a test: three servers, of which the first one can have a replica. */
export class RedisClusterLab {
  private constructor(
    readonly servers: readonly [RedisServer, RedisServer, RedisServer],
    private readonly replica: RedisServer | undefined,
    readonly url: string,
  ) {}

  static async start({ hasReplica = false, tls }: LabOptions = {}): Promise<RedisClusterLab> {
    const tlsPorts = tls ? [await freePort(), await freePort(), await freePort()] : [];
    const servers = await Promise.all(
      [0, 1, 2].map((at) => RedisServer.start([...OPTIONS, ...(tls ? tlsOptions(tls, tlsPorts[at]) : [])])),
    );
    const ports = tls ? tlsPorts : servers.map(({ port }) => port);
    const [first, second, third] = servers as [RedisServer, RedisServer, RedisServer];
    const share = Math.ceil(HASH_SLOTS / servers.length);
    for (const [index, server] of servers.entries()) {
      const last = Math.min(HASH_SLOTS, (index + 1) * share) - 1;
      server.cli('CLUSTER', 'ADDSLOTSRANGE', String(index * share), String(last));
      server.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
    }
    for (const port of ports.slice(1)) first.cli('CLUSTER', 'MEET', '127.0.0.1', String(port));
    await formed(servers);
    const replica = hasReplica ? await RedisServer.start(OPTIONS) : undefined;
    if (replica) await follow(replica, first, servers);
    return new RedisClusterLab([first, second, third], replica, urlOf(tls ? 'rediss' : 'redis', ports));
  }

  /** How many keys each server has. */
  keyCounts(): number[] {
    return this.servers.map((server) => Number(server.cli('DBSIZE')));
  }

  /** Whether the first server keeps this key, and so its replica after {@link failOver}. */
  isOfFirst(key: string): boolean {
    return Number(this.servers[1].cli('CLUSTER', 'KEYSLOT', key)) < Math.ceil(HASH_SLOTS / 3);
  }

  /** The first server ends like in a crash; resolves when the others serve its keys with the replica. */
  async failOver(): Promise<void> {
    const [first, ...others] = this.servers;
    const { replica } = this;
    if (!replica) throw new Error('this Redis Cluster has no replica');
    await caughtUp(replica, first);
    await first.kill();
    const serving = [...others, replica];
    await until(
      () => replica.cli('ROLE').startsWith('master') && serving.every(isServing),
      () => serving.map((server) => server.cli('CLUSTER', 'NODES')).join('\n'),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.servers, ...(this.replica ? [this.replica] : [])].map((server) => server.stop()),
    );
  }
}

function urlOf(scheme: 'redis' | 'rediss', ports: readonly number[]): string {
  const [first, ...others] = ports.map((port) => `127.0.0.1:${port}`);
  return `${scheme}+cluster://${first}?${others.map((other) => `node=${other}`).join('&')}`;
}

function tlsOptions({ certificate, key }: TlsFiles, port: number | undefined): string[] {
  return [
    ...['--tls-port', String(port), '--tls-cluster', 'yes', '--tls-replication', 'yes'],
    ...['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate],
    ...['--tls-auth-clients', 'no'],
  ];
}

const isServing = (server: RedisServer): boolean =>
  server.cli('CLUSTER', 'INFO').includes('cluster_state:ok');

async function formed(servers: readonly RedisServer[]): Promise<void> {
  const knowsAll = (server: RedisServer) =>
    server.cli('CLUSTER', 'INFO').includes(`cluster_known_nodes:${servers.length}`);
  await until(
    () => servers.every((server) => isServing(server) && knowsAll(server)),
    () => servers.map((server) => server.cli('CLUSTER', 'INFO')).join('\n'),
  );
}

async function follow(
  replica: RedisServer,
  master: RedisServer,
  servers: readonly RedisServer[],
): Promise<void> {
  replica.cli('CLUSTER', 'MEET', '127.0.0.1', String(master.port));
  await formed([...servers, replica]);
  replica.cli('CLUSTER', 'REPLICATE', master.cli('CLUSTER', 'MYID'));
  const info = () => replica.cli('INFO', 'replication');
  await until(() => info().includes('master_link_status:up'), info);
}

/**
 * What a master acknowledged and had not passed on yet is lost with it; a test of that would be one of luck.
 * A master passes nothing on to a new replica before the process that sent it the data has ended and it acknowledged once more, up to
 * a second after the replica says that the link is up. WAIT would not do: it waits for the writes of the connection that sends it.
 */
async function caughtUp(replica: RedisServer, master: RedisServer): Promise<void> {
  const written = replicationOffset(master, 'master_repl_offset');
  await until(
    () => replicationOffset(replica, 'slave_repl_offset') >= written,
    () => replica.cli('INFO', 'replication'),
  );
}

/** Bytes of the stream of writes, INFO of Redis. */
function replicationOffset(server: RedisServer, field: string): number {
  const value = new RegExp(`^${field}:(\\d+)`, 'm').exec(server.cli('INFO', 'replication'))?.[1];
  if (value === undefined) throw new Error(`the server at port ${server.port} says no ${field}`);
  return Number(value);
}

async function until(isThere: () => boolean, found: () => string): Promise<void> {
  for (const deadline = Date.now() + LIMIT_MS; !isThere();) {
    if (Date.now() > deadline)
      throw new Error(`the Redis Cluster is not in time what it should be: ${found()}`);
    await wait(50);
  }
}
