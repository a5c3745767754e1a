import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Cluster, redisAvailability } from '@parley/test/cluster';
import { RemoteProcess } from '../processes/remote-process.ts';
import type { BenchmarkOptions } from './benchmark-options.ts';
import { BenchmarkUnavailableError, quantile, type Benchmark, type BenchmarkResult } from './figures.ts';
import type { Group, Pair, PresenceCommands, Published } from './presence/presence-commands.ts';
import { processCpuSeconds } from './process-tree-cpu.ts';

const ENTRY = fileURLToPath(new URL('./presence/presence-process.js', import.meta.url));
const PUBLISHERS = 32;
const WATCHERS = 32;
/** The smaller number of watchers is that part of the larger one, and of the larger number of users. */
const FEW = 8;
const MORE_USERS = 3;
const SUPERNODES = [1, 2, 4];
const MOST_SUPERNODES = 4;
/** At full load, and then at half of it. */
const SECONDS = 6;
/** These two are no longer than what they are there for. */
const WARM_UP_MS = 2_000;
const AT_REST_MS = 4_000;
/** Two heartbeats of the transport at least. */
const IDLE_SECONDS = 60;
const AIM_SAME_MS = 250;
const AIM_ACROSS_MS = 500;
/** What was counted on the way between two readings. */
const MESSAGES_TOLERANCE = 1.02;

interface Settings {
  readonly publishers: number;
  readonly watchers: number;
  readonly ms: number;
  readonly idleMs: number;
}

interface Measured extends Group {
  readonly supernodes: number;
  readonly full: Published;
  readonly half: Published;
  /** At full load, of all supernodes, without what they use when nothing happens. */
  readonly cpuMsPerUpdate: number;
  /** The part of one processor that all supernodes use when nothing happens. */
  readonly atRest: number;
  /** From one supernode to another. */
  readonly messagesPerUpdate: number;
  readonly toldPerUpdate: number;
}

type Crowd = RemoteProcess<PresenceCommands>;

async function run(given: BenchmarkOptions): Promise<BenchmarkResult> {
  if (process.platform !== 'linux')
    throw new BenchmarkUnavailableError('processor time of other processes is read from /proc');
  const missing = await redisAvailability();
  if (missing) throw new BenchmarkUnavailableError(missing.reason);
  const settings: Settings = {
    publishers: given.count('publishers', PUBLISHERS),
    watchers: given.count('watchers', WATCHERS),
    ms: given.count('seconds', SECONDS) * 1_000,
    idleMs: given.count('idle-seconds', IDLE_SECONDS) * 1_000,
  };
  const { publishers, watchers: watchersEach } = settings;
  const most = given.count('supernodes', MOST_SUPERNODES);
  if (most === 1) throw given.misused('--supernodes=1 has no other homes');
  const clusters = SUPERNODES.filter((supernodes) => supernodes <= most);
  const few = Math.ceil(watchersEach / FEW);
  const measured: Measured[] = [];
  let idleBytes = Number.NaN;
  for (const supernodes of clusters) {
    const groups: Group[] = [{ publishers, watchersEach }];
    // What grows besides supernodes grows on one of them: watchers of each user, and users.
    if (supernodes === 1)
      groups.unshift(
        { publishers, watchersEach: few },
        { publishers: publishers * MORE_USERS, watchersEach: few },
      );
    await withCluster(supernodes, async (cluster, crowd) => {
      for (const group of groups) measured.push(await measure(cluster, crowd, group, settings));
      if (supernodes !== clusters.at(-1)) return;
      const { bytesPerClient } = await crowd.run('idle', { ms: settings.idleMs });
      idleBytes = (bytesPerClient * 60_000) / settings.idleMs;
    });
  }
  return result(measured, idleBytes, settings);
}

async function withCluster(
  supernodes: number,
  use: (cluster: Cluster, crowd: Crowd) => Promise<void>,
): Promise<void> {
  const cluster = await Cluster.start({
    supernodes,
    env: {
      SUPERNODE_LOG_LEVEL: 'error',
      SUPERNODE_MINIMUM_SEATS: String(supernodes),
      // What it can do, not what it lets in: few users stand for many.
      SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '100000',
      SUPERNODE_PRESENCE_UPDATES_PER_MINUTE: '6000',
    },
  });
  const child = fork(ENTRY, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  child.stdout?.pipe(process.stderr);
  const crowd: Crowd = new RemoteProcess('users', child);
  try {
    await cluster.untilSeats(supernodes);
    await use(cluster, crowd);
  } finally {
    await crowd.stop();
    await cluster.close();
  }
}

async function measure(cluster: Cluster, crowd: Crowd, group: Group, { ms }: Settings): Promise<Measured> {
  const urls = cluster.nodes.map(({ url }) => url);
  const { contacts } = await crowd.run('join', { ...group, urls });
  await befriend(cluster, contacts);
  await crowd.run('watch', null);
  await crowd.run('publishAtFull', { ms: Math.min(WARM_UP_MS, ms) });
  const atRest = await processorsAtRest(cluster, Math.min(AT_REST_MS, ms));
  const before = await countersOf(cluster);
  const full = await crowd.run('publishAtFull', { ms });
  const after = await countersOf(cluster);
  const updatesPerSecond = rateOf(full) / 2;
  const half = await crowd.run('publishAt', { updatesPerSecond, ms });
  const updates = after.updates - before.updates;
  return {
    ...group,
    supernodes: cluster.nodes.length,
    full,
    half,
    cpuMsPerUpdate: ((after.cpuSeconds - before.cpuSeconds) * 1_000 - atRest * full.ms) / updates,
    atRest,
    messagesPerUpdate: (after.messages - before.messages) / updates,
    toldPerUpdate: (after.told - before.told) / updates,
  };
}

/** In the database: what is measured is what contacts see of each other, not how they became contacts. */
async function befriend({ database }: Cluster, contacts: readonly Pair[]): Promise<void> {
  await database.query(
    `INSERT INTO contact (tenant_id, owner_id, peer_id, state, updated_at, accepted_at)
     SELECT 'default', owner, peer, 'accepted', now(), now()
     FROM unnest($1::text[], $2::text[]) AS pair (owner, peer)`,
    [
      contacts.flatMap(([publisher, watcher]) => [publisher, watcher]),
      contacts.flatMap(([publisher, watcher]) => [watcher, publisher]),
    ],
  );
}

async function processorsAtRest(cluster: Cluster, ms: number): Promise<number> {
  const [before, began] = [await cpuSecondsOf(cluster), performance.now()];
  await delay(ms);
  return ((await cpuSecondsOf(cluster)) - before) / ((performance.now() - began) / 1_000);
}

async function cpuSecondsOf({ nodes }: Cluster): Promise<number> {
  let seconds = 0;
  for (const { pid } of nodes) seconds += await processCpuSeconds(pid);
  return seconds;
}

function rateOf({ updates, ms }: Published): number {
  return (updates * 1_000) / ms;
}

interface Counters {
  readonly cpuSeconds: number;
  readonly messages: number;
  readonly updates: number;
  readonly told: number;
}

async function countersOf(cluster: Cluster): Promise<Counters> {
  const counters = { cpuSeconds: await cpuSecondsOf(cluster), messages: 0, updates: 0, told: 0 };
  for (const node of cluster.nodes) {
    counters.messages += await node.metric('parley_link_messages_sent_total', {
      message: 'presence.fan-out',
    });
    counters.updates += await node.metric('parley_presence_updates_total');
    counters.told += await node.metric('parley_presence_watchers_told_total');
  }
  return counters;
}

function result(measured: readonly Measured[], idleBytes: number, settings: Settings): BenchmarkResult {
  const [base, moreUsers, moreWatchers] = measured;
  const across = measured.filter(({ supernodes }) => supernodes > 1);
  const last = across.at(-1);
  if (!base || !moreUsers || !moreWatchers || !last) throw new TypeError('a measurement is missing');
  const ms = (value: number) => ({ value, unit: 'ms' });
  const same = (quantileOf: number): number => quantile(moreWatchers.half.sameHomeMs, quantileOf);
  const other = (quantileOf: number): number => quantile(last.half.otherHomeMs, quantileOf);
  const cpu = ({ cpuMsPerUpdate: value }: Measured, yardstick: Measured, name: string) => ({
    ...{ value, unit: 'ms', ratio: value / yardstick.cpuMsPerUpdate },
    yardstick: { name, value: yardstick.cpuMsPerUpdate },
  });
  return {
    figures: {
      sameHomeP50Ms: ms(same(0.5)),
      sameHomeP99Ms: ms(same(0.99)),
      otherHomeP50Ms: ms(other(0.5)),
      otherHomeP99Ms: ms(other(0.99)),
      fullUpdatesPerSecond: { value: rateOf(moreWatchers.full), unit: 'updates/s' },
      cpuMsPerUpdateMoreUsers: cpu(moreUsers, base, `${base.publishers} users`),
      cpuMsPerUpdateMoreWatchers: cpu(moreWatchers, base, `${base.watchersEach} watchers each`),
      cpuMsPerUpdateMoreSupernodes: cpu(last, moreWatchers, 'one supernode'),
      messagesPerUpdate: {
        ...{
          value: last.messagesPerUpdate,
          unit: 'messages',
          ratio: last.messagesPerUpdate / last.full.otherHomes,
        },
        yardstick: { name: 'other supernodes that host a watcher', value: last.full.otherHomes },
      },
      idleBytesPerClientPerMinute: { value: idleBytes, unit: 'bytes' },
    },
    rows: measured.map((one) => ({
      supernodes: one.supernodes,
      users: one.publishers,
      'watchers each': one.watchersEach,
      'full updates/s': rateOf(one.full),
      'half same p50 ms': quantile(one.half.sameHomeMs, 0.5),
      'same p99 ms': quantile(one.half.sameHomeMs, 0.99),
      ...(one.supernodes > 1 && {
        'half other p50 ms': quantile(one.half.otherHomeMs, 0.5),
        'other p99 ms': quantile(one.half.otherHomeMs, 0.99),
      }),
      'CPU ms per update': one.cpuMsPerUpdate,
      'CPU at rest': one.atRest,
      'told per update': one.toldPerUpdate,
      'messages per update': one.messagesPerUpdate,
      'other homes': one.full.otherHomes,
    })),
    notes: [
      'full load: each user changes its presence when all watchers have seen the change before; half: at a steady pace of half that rate, from when a change was due to the event at each watcher',
      `${settings.ms / 1_000} s each; the wait in which changes of one user are told as one (50 ms) is part of the latency`,
      'CPU: of all supernodes, per update at full load without what they use at rest, which is the part of one processor; messages: from one supernode to another',
      'bytes: of TCP payload, both ways, with WebSocket frames and heartbeats',
      'users, supernodes, Redis and PostgreSQL share this machine',
    ],
    failures: measured.flatMap(failuresOf),
  };
}

function failuresOf(one: Measured): string[] {
  const { supernodes, publishers, watchersEach, full, half, messagesPerUpdate } = one;
  const where = `${supernodes} supernodes, ${publishers} users, ${watchersEach} watchers each`;
  const failures: string[] = [];
  const { otherHomes } = full;
  const missing = full.missing + half.missing;
  if (missing > 0) failures.push(`${where}: ${missing} deliveries never came`);
  if (messagesPerUpdate > otherHomes * MESSAGES_TOLERANCE)
    failures.push(
      `${where}: ${messagesPerUpdate.toFixed(2)} messages per update to ${otherHomes.toFixed(2)} supernodes`,
    );
  const same = quantile(half.sameHomeMs, 0.99);
  if (supernodes === 1 && !(same <= AIM_SAME_MS))
    failures.push(`${where}: p99 at the same home is ${same.toFixed(0)} ms, the aim ${AIM_SAME_MS}`);
  const other = quantile(half.otherHomeMs, 0.99);
  if (supernodes > 1 && !(other <= AIM_ACROSS_MS))
    failures.push(`${where}: p99 at other homes is ${other.toFixed(0)} ms, the aim ${AIM_ACROSS_MS}`);
  return failures;
}

export const presence: Benchmark = {
  name: 'presence',
  what: 'from a change of presence to its watchers, on one supernode and across several, and what it costs',
  options: ['publishers', 'watchers', 'supernodes', 'seconds', 'idle-seconds'],
  run,
};
