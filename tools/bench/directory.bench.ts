import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, redisAvailability } from '@parley/test/cluster';
import { handleSchema, LIMITS, userIdSchema } from '@parley/protocol';
import { goneAfterKill } from './directory/killed-holder.ts';
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
/** So many more come first, as a share. */
const WARM_UP_SHARE = 0.1;
const PER_SECOND_AND_READER = 20;
const PREFIX_LENGTHS = [3, 5, 8];
const TTL_MS = 3_000;
const TTL = { name: 'time-to-live', value: TTL_MS };
const TTL_POLL_MS = 50;
const TTL_DEADLINE_MS = 30_000;
/** What a poll and the requests of a busy machine may add. */
const TTL_TOLERANCE_MS = 500;

type Ask = (reader: BareUser, number: number) => Promise<boolean>;

interface Asked {
  readonly latenciesMs: readonly number[];
  readonly wrong: number;
}

interface Answers {
  readonly insertedMs: number;
  readonly lookups: readonly Asked[];
  readonly searches: readonly Asked[];
  /** From the loss of the connection of who holds something. */
  readonly lostAfterMs: number;
}

async function run(given: BenchmarkOptions): Promise<BenchmarkResult> {
  const missing = await redisAvailability();
  if (missing) throw new BenchmarkUnavailableError(missing.reason);
  const users = given.count('users', USERS);
  const requests = given.count('requests', REQUESTS);
  const asked = await askOne(users, requests);
  return result(users, asked, await goneAfterKill(TTL_MS));
}

/** One supernode, and all users in its database. */
async function askOne(users: number, requests: number): Promise<Answers> {
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
    const lookups: Asked[] = [];
    for (const look of [lookupByHandle, lookupById]) lookups.push(await ask(readers, users, requests, look));
    const searches: Asked[] = [];
    for (const length of PREFIX_LENGTHS)
      searches.push(await ask(readers, users, requests, searchFor(length)));
    const lostAfterMs = await goneAfterLoss(readers);
    return { insertedMs, lookups, searches, lostAfterMs };
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
async function ask(readers: readonly BareUser[], users: number, requests: number, act: Ask): Promise<Asked> {
  const latenciesMs: number[] = [];
  let wrong = 0;
  const warmUp = Math.ceil(requests * WARM_UP_SHARE);
  const perReader = (requests + warmUp) / readers.length;
  const read = async (reader: BareUser, at: number): Promise<void> => {
    for (let round = 0; round < perReader; round += 1) {
      const number = ((round * readers.length + at) * 7_919 + 13) % users;
      const began = performance.now();
      const isRight = await act(reader, number);
      const ms = performance.now() - began;
      if (!isRight) wrong += 1;
      if (round * readers.length >= warmUp) latenciesMs.push(ms);
      await delay(Math.max(0, 1_000 / PER_SECOND_AND_READER - ms));
    }
  };
  await Promise.all(readers.map(read));
  return { latenciesMs, wrong };
}

/** How long a resource is still found after the connection of its only holder broke without a word. */
async function goneAfterLoss([holder, finder]: readonly BareUser[]): Promise<number> {
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

function result(users: number, answers: Answers, goneAfterMs: number): BenchmarkResult {
  const { insertedMs, lookups, searches, lostAfterMs } = answers;
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
      goneAfterMs: { ...ms(goneAfterMs), yardstick: TTL },
      goneAfterLossMs: { ...ms(lostAfterMs), yardstick: TTL },
    },
    rows: [
      ...(byHandle ? [row('look-up by handle', byHandle)] : []),
      ...(byId ? [row('look-up by user id', byId)] : []),
      ...searches.map((asked, at) => row(`search, ${PREFIX_LENGTHS[at] ?? 0} letters`, asked)),
    ],
    notes: [
      `${users} users in PostgreSQL, made in ${(insertedMs / 1_000).toFixed(0)} s; ${READERS} connections, ${PER_SECOND_AND_READER} requests/s each; from request to answer at the client`,
      `a search gives the first ${LIMITS.maxSearchResults} whose handle or name begins so`,
      'gone: a resource at another home, from SIGKILL of its holder, who had announced it again and again, and of the home of the holder; of a cluster of three',
      'gone after loss: on one supernode, from the end of the connection of its holder without a word',
    ],
    failures: [
      ...(wrong > 0 ? [`${wrong} answers were wrong`] : []),
      ...[goneAfterMs, lostAfterMs].flatMap((after) =>
        after <= TTL_MS + TTL_TOLERANCE_MS
          ? []
          : [`an entry was found ${after.toFixed(0)} ms after its holder, its time-to-live is ${TTL_MS}`],
      ),
    ],
  };
}

export const directory: Benchmark = {
  name: 'directory',
  what: 'look-up and search among a million users, and how soon an entry goes with its holder',
  options: ['users', 'requests'],
  run,
};
