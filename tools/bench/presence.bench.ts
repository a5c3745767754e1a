import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Cluster, redisAvailability } from '@parley/test/cluster';
import { RemoteProcess } from '../processes/remote-process.ts';
import { BenchmarkUnavailableError, quantile, type Benchmark, type BenchmarkResult } from './figures.ts';
import type { PresenceCommands, Published } from './presence/presence-commands.ts';
import { processCpuSeconds } from './process-tree-cpu.ts';

const ENTRY = fileURLToPath(new URL('./presence/presence-process.js', import.meta.url));
const PUBLISHERS = 10;
const ROUNDS = 10;
const WARM_UP_ROUNDS = 2;
const EVERY_MS = 1_000;
/** Two heartbeats of the transport at least. */
const IDLE_MS = 60_000;
const AIM_SAME_MS = 250;
const AIM_ACROSS_MS = 500;

interface Shape {
  readonly supernodes: number;
  readonly watchersEach: number;
}

const SHAPES: readonly Shape[] = [
  { supernodes: 1, watchersEach: 5 },
  { supernodes: 1, watchersEach: 50 },
  { supernodes: 2, watchersEach: 50 },
  { supernodes: 4, watchersEach: 50 },
];

interface Measured extends Shape {
  readonly published: Published;
  /** Of all supernodes. */
  readonly cpuMsPerUpdate: number;
  /** From one supernode to another. */
  readonly messagesPerUpdate: number;
  readonly idleBytesPerMinute: number | undefined;
}

async function run(): Promise<BenchmarkResult> {
  if (process.platform !== 'linux')
    throw new BenchmarkUnavailableError('processor time of other processes is read from /proc');
  const missing = await redisAvailability();
  if (missing) throw new BenchmarkUnavailableError(missing.reason);
  const measured: Measured[] = [];
  for (const shape of SHAPES) measured.push(await measure(shape, shape === SHAPES.at(-1)));
  return result(measured);
}

async function measure(shape: Shape, withIdle: boolean): Promise<Measured> {
  const cluster = await Cluster.start({
    supernodes: shape.supernodes,
    env: {
      SUPERNODE_LOG_LEVEL: 'error',
      SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '100000',
      ...seatsEnvironment(shape.supernodes),
    },
  });
  const child = fork(ENTRY, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  child.stdout?.pipe(process.stderr);
  const crowd = new RemoteProcess<PresenceCommands>('users', child);
  try {
    await cluster.untilSeats(shape.supernodes);
    const urls = cluster.nodes.map(({ url }) => url);
    await crowd.run('join', { urls, publishers: PUBLISHERS, watchersEach: shape.watchersEach });
    await crowd.run('publish', { rounds: WARM_UP_ROUNDS, everyMs: EVERY_MS });
    const before = await countersOf(cluster);
    const published = await crowd.run('publish', { rounds: ROUNDS, everyMs: EVERY_MS });
    const after = await countersOf(cluster);
    const idle = withIdle ? await crowd.run('idle', { ms: IDLE_MS }) : undefined;
    return {
      ...shape,
      published,
      cpuMsPerUpdate: ((after.cpuSeconds - before.cpuSeconds) * 1_000) / published.updates,
      messagesPerUpdate: (after.messages - before.messages) / published.updates,
      idleBytesPerMinute: idle && (idle.bytesPerClient * 60_000) / IDLE_MS,
    };
  } finally {
    await crowd.stop();
    await cluster.close();
  }
}

function seatsEnvironment(supernodes: number): Readonly<Record<string, string>> {
  return { SUPERNODE_MINIMUM_SEATS: String(supernodes) };
}

async function countersOf(cluster: Cluster): Promise<{ cpuSeconds: number; messages: number }> {
  let [cpuSeconds, messages] = [0, 0];
  for (const node of cluster.nodes) {
    cpuSeconds += await processCpuSeconds(node.pid);
    messages += await node.metric('parley_link_messages_sent_total', { message: 'presence.fan-out' });
  }
  return { cpuSeconds, messages };
}

function result(measured: readonly Measured[]): BenchmarkResult {
  const sameMs = measured.flatMap(({ published }) => published.sameHomeMs);
  const acrossMs = measured.flatMap(({ published }) => published.otherHomeMs);
  const last = measured.at(-1);
  const missing = measured.reduce((sum, { published }) => sum + published.missing, 0);
  const ms = (value: number) => ({ value, unit: 'ms' });
  const [sameP99, acrossP99] = [quantile(sameMs, 0.99), quantile(acrossMs, 0.99)];
  return {
    figures: {
      sameHomeP50Ms: ms(quantile(sameMs, 0.5)),
      sameHomeP99Ms: ms(sameP99),
      otherHomeP50Ms: ms(quantile(acrossMs, 0.5)),
      otherHomeP99Ms: ms(acrossP99),
      cpuMsPerUpdate: { value: last?.cpuMsPerUpdate ?? Number.NaN, unit: 'ms' },
      messagesPerUpdate: { value: last?.messagesPerUpdate ?? Number.NaN, unit: 'messages' },
      idleBytesPerClientPerMinute: { value: last?.idleBytesPerMinute ?? Number.NaN, unit: 'bytes' },
    },
    rows: measured.map(({ supernodes, watchersEach, published, cpuMsPerUpdate, messagesPerUpdate }) => ({
      supernodes,
      'watchers each': watchersEach,
      'same p50 ms': quantile(published.sameHomeMs, 0.5),
      'same p99 ms': quantile(published.sameHomeMs, 0.99),
      'other p50 ms': quantile(published.otherHomeMs, 0.5),
      'other p99 ms': quantile(published.otherHomeMs, 0.99),
      'CPU ms per update': cpuMsPerUpdate,
      'messages per update': messagesPerUpdate,
    })),
    notes: [
      `${PUBLISHERS} users change their presence once in ${EVERY_MS} ms, spread over it; from the request to the event at each watcher`,
      'processor time of all supernodes, what they do besides included; messages: from one supernode to another',
      'users, supernodes, Redis and PostgreSQL share this machine',
    ],
    failures: [
      ...(missing > 0 ? [`${missing} deliveries never came`] : []),
      ...(sameP99 <= AIM_SAME_MS
        ? []
        : [`p99 at the same home is ${sameP99.toFixed(0)} ms, the aim ${AIM_SAME_MS}`]),
      ...(acrossP99 <= AIM_ACROSS_MS
        ? []
        : [`p99 at other homes is ${acrossP99.toFixed(0)} ms, the aim ${AIM_ACROSS_MS}`]),
    ],
  };
}

export const presence: Benchmark = {
  name: 'presence',
  what: 'from a change of presence to its watchers, on one supernode and across several, and what it costs',
  run,
};
