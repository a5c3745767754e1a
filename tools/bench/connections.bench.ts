import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from '@parley/nat/testing';
import { Cluster, redisAvailability } from '@parley/test/cluster';
import { RemoteProcess } from '../processes/remote-process.ts';
import type { ConnectionCommands } from './connections/connection-commands.ts';
import { memoryOf } from './connections/inspected-memory.ts';
import type { BenchmarkOptions } from './benchmark-options.ts';
import { BenchmarkUnavailableError, type Benchmark, type BenchmarkResult } from './figures.ts';
import { processCpuSeconds } from './process-tree-cpu.ts';

const CROWD_ENTRY = fileURLToPath(new URL('./connections/connection-process.js', import.meta.url));
const SOCKET_IO_ENTRY = fileURLToPath(new URL('./connections/socket-io-process.js', import.meta.url));
const CONNECTIONS = 2_000;
/** Connected before the first measurement, and left so: what is compiled and grown once is there by then. */
const WARM_UP_SHARE = 0.25;
const YARDSTICK = 'socket.io alone';
const AIM_BYTES = 20_000;

type Crowd = RemoteProcess<ConnectionCommands>;

interface Measured {
  readonly perSecond: number;
  /** Of the server, for a connection that opens and signs in. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
}

async function run(given: BenchmarkOptions): Promise<BenchmarkResult> {
  const count = given.count('connections', CONNECTIONS);
  const missing = await redisAvailability();
  if (missing) throw new BenchmarkUnavailableError(missing.reason);
  if (process.platform !== 'linux')
    throw new BenchmarkUnavailableError('memory of other processes is read from /proc');
  const child = fork(CROWD_ENTRY, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  child.stdout?.pipe(process.stderr);
  const crowd: Crowd = new RemoteProcess<ConnectionCommands>('clients', child);
  try {
    const bare = await measureSocketIo(crowd, count);
    return result(await measureSupernode(crowd, count), bare, count);
  } finally {
    await crowd.stop();
  }
}

async function measureSocketIo(crowd: Crowd, total: number): Promise<Measured> {
  const inspector = await freePort();
  const server = fork(SOCKET_IO_ENTRY, {
    execArgv: [`--inspect=127.0.0.1:${inspector}`],
    stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
  });
  try {
    const [{ url }] = (await once(server, 'message')) as [{ url: string }];
    const connect = (_from: number, count: number): Promise<{ ms: number }> =>
      crowd.run('connect', { url, count });
    return await measure(crowd, total, connect, {
      pid: pidOf(server),
      inspector,
    });
  } finally {
    server.kill('SIGKILL');
  }
}

async function measureSupernode(crowd: Crowd, total: number): Promise<Measured> {
  const inspector = await freePort();
  const cluster = await Cluster.start({
    supernodes: 1,
    env: {
      NODE_OPTIONS: `--inspect=127.0.0.1:${inspector}`,
      SUPERNODE_LOG_LEVEL: 'error',
      SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '100000',
      SUPERNODE_ACCESS_TOKEN_SECONDS: '86400',
      // What it can do, not what it lets in.
      SUPERNODE_SIGN_INS_PER_SECOND: '100000',
    },
  });
  try {
    await cluster.untilSeats(1);
    const [node] = cluster.nodes;
    if (!node) throw new TypeError('there is no supernode');
    await crowd.run('register', { url: node.url, count: total });
    // A process that has done nothing else: what registration left behind is not counted.
    await node.kill();
    await node.start();
    await cluster.untilSeats(1);
    const signIn = (from: number, count: number): Promise<{ ms: number }> =>
      crowd.run('signIn', { from, count });
    return await measure(crowd, total, signIn, { pid: node.pid, inspector });
  } finally {
    await cluster.close();
  }
}

async function measure(
  crowd: Crowd,
  total: number,
  connect: (from: number, count: number) => Promise<{ ms: number }>,
  { pid, inspector }: { readonly pid: number; readonly inspector: number },
): Promise<Measured> {
  const warmUp = Math.ceil(total * WARM_UP_SHARE);
  const count = total - warmUp;
  await connect(0, warmUp);
  const before = await memoryOf(pid, inspector);
  const cpuBefore = await processCpuSeconds(pid);
  const { ms } = await connect(warmUp, count);
  const cpuSeconds = (await processCpuSeconds(pid)) - cpuBefore;
  const after = await memoryOf(pid, inspector);
  await crowd.run('leave', null);
  return {
    perSecond: count / (ms / 1_000),
    cpuMs: (cpuSeconds * 1_000) / count,
    residentBytes: (after.residentBytes - before.residentBytes) / count,
    heapBytes: (after.heapBytes - before.heapBytes) / count,
  };
}

function pidOf({ pid }: ChildProcess): number {
  return pid ?? Number.NaN;
}

function result(supernode: Measured, bare: Measured, total: number): BenchmarkResult {
  const figure = (value: number, yardstick: number, unit: string) => ({
    ...{ value, unit, ratio: value / yardstick },
    yardstick: { name: YARDSTICK, value: yardstick },
  });
  const above = supernode.residentBytes - bare.residentBytes;
  return {
    figures: {
      residentBytesAboveSocketIo: { value: above, unit: 'bytes/connection' },
      residentBytesPerConnection: figure(supernode.residentBytes, bare.residentBytes, 'bytes/connection'),
      heapBytesPerConnection: figure(supernode.heapBytes, bare.heapBytes, 'bytes/connection'),
      cpuMsPerConnection: figure(supernode.cpuMs, bare.cpuMs, 'ms'),
      connectionsPerSecond: figure(supernode.perSecond, bare.perSecond, 'connections/s'),
    },
    notes: [
      `${total} clients of one process that sign in and stay, ${WARM_UP_SHARE * 100} % of them before the first measurement; a supernode of a cluster of one, just started; memory after garbage collection`,
      'a connection of the supernode proves its device, gets its credentials and counts as present; one of the yardstick is opened only',
      'clients and server share this machine',
    ],
    failures: above > AIM_BYTES ? [`${above.toFixed(0)} bytes above socket.io, the aim is ${AIM_BYTES}`] : [],
  };
}

export const connections: Benchmark = {
  name: 'connections',
  what: 'memory of idle signed-in connections, and how many sign in per second',
  options: ['connections'],
  run,
};
