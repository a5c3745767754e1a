import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, redisAvailability } from '@parley/test/cluster';
import { handleSchema, LIMITS, userIdSchema } from '@parley/protocol';
import { handleOf, insertUsers, prefixOf, userIdOf } from './directory/million-users.ts';
import type { BenchmarkOptions } from './benchmark-options.ts';
import { BenchmarkUnavailableError, quantile, type Benchmark, type BenchmarkResult } from './figures.ts';
import { machineClockMs } from './machine-clock.ts';
import { BareUser } from './mailbox/bare-user.ts';
import { retried } from './storm/patient.ts';

const USERS = 1_000_000;
const READERS = 8;
/** Of each kind; every reader stays below the rate of requests that a connection is granted. */
const REQUESTS = 800;
const WARM_UP = 80;
const PER_SECOND_AND_READER = 20;
const PREFIX_LENGTHS = [3, 5, 8];
const TTL_MS = 3_000;
const TTL_POLL_MS = 50;
const TTL_DEADLINE_MS = 30_000;
/** What a poll and the requests of a busy machine may add. */
const TTL_TOLERANCE_MS = 500;

type Ask = (reader: BareUser, number: number) => Promise<boolean>;

interface Asked {
  readonly latenciesMs: readonly number[];
  readonly wrong: number;
}

async function run(given: BenchmarkOptions): Promise<BenchmarkResult> {
  const missing = await redisAvailability();
  if (missing) throw new BenchmarkUnavailableError(missing.reason);
  const users = given.count('users', USERS);
  const cluster = await Cluster.start({
    supernodes: 1,
    env: { SUPERNODE_LOG_LEVEL: 'error', SUPERNODE_MAX_CONNECTIONS_PER_SOURCE: '100000' },
  });
  try {
    await cluster.untilSeats(1);
    const began = performance.now();
    await insertUsers(cluster.database, users);
    const insertedMs = performance.now() - began;
    const url = cluster.nodes[0]?.url ?? '';
    const readers = Array.from({ length: READERS }, (_, at) => new BareUser(url, `reader-${at}`));
    for (const reader of readers) {
      await retried(() => reader.register());
      await retried(() => reader.signIn());
    }
    const byHandle = await ask(readers, users, lookupByHandle);
    const byId = await ask(readers, users, lookupById);
    const search: Asked[] = [];
    for (const length of PREFIX_LENGTHS) search.push(await ask(readers, users, searchFor(length)));
    const goneAfterMs = await goneAfter(readers);
    return result(users, insertedMs, [byHandle, byId], search, goneAfterMs);
  } finally {
    await cluster.close();
  }
}

const lookupByHandle: Ask = async ({ connection }, number) => {
  const handle = handleSchema.parse(handleOf(number));
  return (await connection.request('directory.lookup', { handle })).entry.handle === handle;
};

const lookupById: Ask = async ({ connection }, number) => {
  const userId = userIdSchema.parse(userIdOf(number));
  return (await connection.request('directory.lookup', { userId })).entry.userId === userId;
};

function searchFor(length: number): Ask {
  return async ({ connection }, number) => {
    const prefix = prefixOf(number, length);
    const { entries } = await connection.request('directory.search', { prefix });
    return (
      entries.length > 0 &&
      entries.length <= LIMITS.maxSearchResults &&
      entries.every(
        ({ handle, displayName }) =>
          handle?.startsWith(prefix) === true || displayName?.toLowerCase().startsWith(prefix) === true,
      )
    );
  };
}

/** All readers at a steady pace, each its own users all over the directory. */
async function ask(readers: readonly BareUser[], users: number, act: Ask): Promise<Asked> {
  const latenciesMs: number[] = [];
  let wrong = 0;
  const perReader = (REQUESTS + WARM_UP) / readers.length;
  const read = async (reader: BareUser, at: number): Promise<void> => {
    for (let round = 0; round < perReader; round += 1) {
      const number = ((round * readers.length + at) * 7_919 + 13) % users;
      const began = performance.now();
      const isRight = await act(reader, number);
      const ms = performance.now() - began;
      if (!isRight) wrong += 1;
      if (round * readers.length >= WARM_UP) latenciesMs.push(ms);
      await delay(Math.max(0, 1_000 / PER_SECOND_AND_READER - ms));
    }
  };
  await Promise.all(readers.map(read));
  return { latenciesMs, wrong };
}

/** How long a resource is still found after the connection of its only holder broke, as when the holder is killed. */
async function goneAfter([holder, finder]: readonly BareUser[]): Promise<number> {
  if (!holder || !finder) throw new TypeError('there are no readers');
  await finder.connection.request('contacts.request', { userId: holder.userId });
  await holder.connection.request('contacts.accept', { userId: finder.userId });
  const resource = { kind: 'bench', key: 'held' };
  await holder.connection.request('resource.announce', { ...resource, ttlMs: TTL_MS });
  const isFound = async (): Promise<boolean> =>
    (await finder.connection.request('resource.find', resource)).holders.length > 0;
  if (!(await isFound())) return Number.NaN;
  const droppedAt = machineClockMs();
  holder.connection.drop();
  while (await isFound()) {
    if (machineClockMs() - droppedAt > TTL_DEADLINE_MS) return Number.POSITIVE_INFINITY;
    await delay(TTL_POLL_MS);
  }
  return machineClockMs() - droppedAt;
}

function result(
  users: number,
  insertedMs: number,
  lookups: readonly Asked[],
  searches: readonly Asked[],
  goneAfterMs: number,
): BenchmarkResult {
  const lookupMs = lookups.flatMap(({ latenciesMs }) => latenciesMs);
  const searchMs = searches.flatMap(({ latenciesMs }) => latenciesMs);
  const wrong = [...lookups, ...searches].reduce((sum, asked) => sum + asked.wrong, 0);
  const ms = (value: number) => ({ value, unit: 'ms' });
  const row = (what: string, { latenciesMs }: Asked) => ({
    request: what,
    'p50 ms': quantile(latenciesMs, 0.5),
    'p99 ms': quantile(latenciesMs, 0.99),
  });
  const [byHandle, byId] = lookups;
  return {
    figures: {
      lookupP50Ms: ms(quantile(lookupMs, 0.5)),
      lookupP99Ms: ms(quantile(lookupMs, 0.99)),
      searchP50Ms: ms(quantile(searchMs, 0.5)),
      searchP99Ms: ms(quantile(searchMs, 0.99)),
      goneAfterMs: { ...ms(goneAfterMs), yardstick: { name: 'time-to-live', value: TTL_MS } },
    },
    rows: [
      ...(byHandle ? [row('look-up by handle', byHandle)] : []),
      ...(byId ? [row('look-up by user id', byId)] : []),
      ...searches.map((asked, at) => row(`search, ${PREFIX_LENGTHS[at] ?? 0} letters`, asked)),
    ],
    notes: [
      `${users} users in PostgreSQL, made in ${(insertedMs / 1_000).toFixed(0)} s; ${READERS} connections, ${PER_SECOND_AND_READER} requests/s each; from request to answer at the client`,
      `a search gives the first ${LIMITS.maxSearchResults} whose handle or name begins so; the holder of the resource lost its connection without a word`,
    ],
    failures: [
      ...(wrong > 0 ? [`${wrong} answers were wrong`] : []),
      ...(goneAfterMs <= TTL_MS + TTL_TOLERANCE_MS
        ? []
        : [
            `the entry was found ${goneAfterMs.toFixed(0)} ms after its holder, its time-to-live is ${TTL_MS}`,
          ]),
    ],
  };
}

export const directory: Benchmark = {
  name: 'directory',
  what: 'look-up and search among a million users, and how soon an entry goes with its holder',
  options: ['users'],
  run,
};
