import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Arrivals, Sent } from './crowd/crowd-commands.ts';
import { machineClockMs } from './machine-clock.ts';
import { TwoCrowds, type CpuTimes } from './crowd/two-crowds.ts';
import {
  BenchmarkUnavailableError,
  quantile,
  type Benchmark,
  type BenchmarkResult,
  type Figure,
} from './figures.ts';
import { MailboxDatabase } from './mailbox-database.ts';
import { MailboxLoad, type MailboxFigures } from './mailbox/mailbox-load.ts';
import { WrongResultError } from './session.bench.ts';

const PAIRS = 4;
/** Below the burst of requests that the supernode grants a connection. */
const PER_CLIENT = 25;
const WARM_UP_PER_CLIENT = 5;
const COUNT = PAIRS * PER_CLIENT;
const LOAD = 0.7;
/** As many requests as a round takes are granted again after it. */
const PAUSE_MS = 500;
/** As the supernode commits at most. */
const ROWS_PER_COMMIT = 400;
const YARDSTICK_MS = 1_000;
const YARDSTICK = 'rows/s that the database commits';

/** One road at full speed, then at a share of it. */
interface Measured {
  readonly perSecond: number;
  readonly cpu: CpuTimes;
  /** At the stated share of the rate, in milliseconds. */
  readonly latenciesMs: readonly number[];
  /** Copies that went into mailboxes for a thousand messages, receipts among them. */
  readonly storedPerThousand: number;
}

interface Bench {
  readonly crowds: TwoCrowds;
  readonly database: MailboxDatabase;
  /** Of the receivers. */
  readonly userIds: string[];
  /** Names and sizes of the rounds, for the last check. */
  readonly rounds: Map<string, number>;
}

/** What ends a round, and when that was. */
type Ended = (round: string, sent: Sent) => Promise<{ readonly at: number } & Pick<Arrivals, 'latenciesMs'>>;

async function flood(
  { crowds, userIds, rounds }: Bench,
  round: string,
  perClient = PER_CLIENT,
): Promise<Sent> {
  rounds.set(round, perClient * PAIRS);
  return crowds.senders.run('flood', { userIds, round, perClient });
}

async function measure(bench: Bench, road: string, ended: Ended): Promise<Measured> {
  const { crowds, database, userIds, rounds } = bench;
  await delay(PAUSE_MS);
  const storedBefore = await database.storedSoFar();
  const cpuBefore = await crowds.cpuTimes();
  const sent = await flood(bench, `${road}-full`);
  const { at } = await ended(`${road}-full`, sent);
  const cpu = since(cpuBefore, await crowds.cpuTimes());
  const perSecond = COUNT / ((at - sent.beganAt) / 1_000);
  await delay(PAUSE_MS);
  const stored = (await database.storedSoFar()) - storedBefore;
  const round = `${road}-load`;
  rounds.set(round, COUNT);
  const pace = { userIds, round, perClient: PER_CLIENT, perSecond: perSecond * LOAD };
  const { latenciesMs } = await ended(round, await crowds.senders.run('pace', pace));
  return { perSecond, cpu, latenciesMs, storedPerThousand: (stored * 1_000) / COUNT };
}

function since(before: CpuTimes, after: CpuTimes): CpuTimes {
  return {
    supernode: after.supernode - before.supernode,
    senders: after.senders - before.senders,
    receivers: after.receivers - before.receivers,
  };
}

/** The receivers come back to full mailboxes: rate and processor time from the first sign-in to the last message. */
async function catchUp({ crowds }: Bench, rounds: readonly string[]): Promise<Measured> {
  const cpuBefore = await crowds.cpuTimes();
  const beganAt = machineClockMs();
  await crowds.join('receivers');
  const arrivals: Arrivals[] = [];
  for (const round of rounds) arrivals.push(await crowds.receivers.run('arrivals', { round, count: COUNT }));
  const lastAt = Math.max(...arrivals.map((arrival) => arrival.lastAt));
  const share = rounds.length;
  const cpu = since(cpuBefore, await crowds.cpuTimes());
  return {
    perSecond: (COUNT * share) / ((lastAt - beganAt) / 1_000),
    cpu: {
      supernode: cpu.supernode / share,
      senders: cpu.senders / share,
      receivers: cpu.receivers / share,
    },
    latenciesMs: [],
    storedPerThousand: 0,
  };
}

/** @throws WrongResultError unless every message came to its app once */
async function check({ crowds, rounds }: Bench): Promise<void> {
  const tally = await crowds.receivers.run('tally', null);
  for (const [round, count] of rounds) {
    const { different, wrong } = tally[round] ?? { different: 0, wrong: 0 };
    if (different !== count || wrong > 0)
      throw new WrongResultError(`${round}: ${different} of ${count} came, ${wrong} again or wrong`);
  }
  if (Object.keys(tally).length !== rounds.size)
    throw new WrongResultError('a message came that nobody sent');
}

async function measureAll(bench: Bench, bare: MailboxFigures): Promise<BenchmarkResult> {
  const { crowds, database, userIds } = bench;
  const arrived: Ended = async (round) => {
    const { lastAt, latenciesMs } = await crowds.receivers.run('arrivals', { round, count: COUNT });
    return { at: lastAt, latenciesMs };
  };
  const stored: Ended = (_round, { storedAt, storedAfterMs }) =>
    Promise.resolve({ at: storedAt, latenciesMs: storedAfterMs });

  await flood(bench, 'warm-up', WARM_UP_PER_CLIENT);
  await crowds.receivers.run('arrivals', { round: 'warm-up', count: WARM_UP_PER_CLIENT * PAIRS });
  await crowds.receivers.run('setPresence', { state: 'invisible' });
  const online = await measure(bench, 'online', arrived);
  await crowds.receivers.run('setPresence', { state: 'online' });
  const withReceipts = await measure(bench, 'receipts', arrived);

  await crowds.receivers.run('leave', null);
  const offline = await measure(bench, 'offline', stored);
  const copies = await database.copies();
  const rowsPerSecond = await database.insertRate(copies, ROWS_PER_COMMIT, YARDSTICK_MS);
  const commitsPerSecond = await database.insertRate(copies, 1, YARDSTICK_MS);
  const caughtUp = await catchUp(bench, ['offline-full', 'offline-load']);

  await crowds.senders.run('openSessions', { userIds });
  const direct = await measure(bench, 'direct', arrived);
  await check(bench);

  const rate = ({ perSecond }: Measured): Figure => ({
    value: perSecond,
    unit: 'messages/s',
    yardstick: { name: YARDSTICK, value: rowsPerSecond },
    ratio: perSecond / rowsPerSecond,
  });
  const latency = ({ latenciesMs }: Measured, fraction: number): Figure => ({
    value: quantile(latenciesMs, fraction),
    unit: 'ms',
  });
  return {
    figures: {
      ...bare.figures,
      directPerSecond: { value: direct.perSecond, unit: 'messages/s' },
      directP50Ms: latency(direct, 0.5),
      directP99Ms: latency(direct, 0.99),
      onlinePerSecond: rate(online),
      onlineP50Ms: latency(online, 0.5),
      onlineP99Ms: latency(online, 0.99),
      onlineWithReceiptsPerSecond: rate(withReceipts),
      onlineWithReceiptsP50Ms: latency(withReceipts, 0.5),
      onlineWithReceiptsP99Ms: latency(withReceipts, 0.99),
      offlineStoredPerSecond: rate(offline),
      offlineStoredP50Ms: latency(offline, 0.5),
      offlineStoredP99Ms: latency(offline, 0.99),
      catchUpPerSecond: { value: caughtUp.perSecond, unit: 'messages/s' },
      databaseSingleRowCommitsPerSecond: { value: commitsPerSecond, unit: 'commits/s' },
    },
    rows: [
      ...bare.rows,
      row('direct, receipts', direct),
      row('online, no receipts', online),
      row('online, receipts', withReceipts),
      row('offline, stored', offline),
      row('catch-up', caughtUp),
    ],
    notes: [
      'bare and mailbox…: connections from one process that write, acknowledge and send receipts as the SDK does but neither seal nor keep anything; medians of three rounds; grouped: what a sender has to say while a request is under way travels in one request, else each message in its own; latency at 70 % of the median rate, from the instant a message was due to its recipient (mailboxP50Ms, mailboxP99Ms) or to "stored"; all else: the SDK',
      `${PAIRS} senders in one process, ${PAIRS} receivers in another, supernode and embedded database in theirs; ${COUNT} messages a round, texts of 200 characters; every message came once`,
      `latency at ${LOAD * 100} % of the rate of the same road, from the instant a message was due to the handler of the receiving app; offline: to "stored" at the sender`,
      'between rounds of the SDK there is a pause',
      'every client writes and syncs a log of its own before it sends and before it hands over',
      `yardstick: the rows of the offline round, ${ROWS_PER_COMMIT} a commit, one connection, into a table with the same keys`,
      'catch-up: from the first sign-in, connections included, to the last message at an app',
    ],
  };
}

/** Processor time is what a figure rests on where others use the machine too. */
function row(road: string, { cpu, storedPerThousand }: Measured): Record<string, string | number> {
  const perThousand = (seconds: number): number => (seconds * 1_000) / COUNT;
  return {
    'CPU s per 1,000': road,
    'supernode and database': perThousand(cpu.supernode),
    senders: perThousand(cpu.senders),
    receivers: perThousand(cpu.receivers),
    'copies stored per 1,000': storedPerThousand,
  };
}

async function run(): Promise<BenchmarkResult> {
  if (process.platform !== 'linux')
    throw new BenchmarkUnavailableError('processor time of other processes is read from /proc');
  const crowds = await TwoCrowds.start(PAIRS);
  try {
    const database = await MailboxDatabase.open(crowds.databaseFolder);
    try {
      const bare = await measureBare(crowds, database);
      const userIds = await crowds.acquaint();
      return await measureAll({ crowds, database, userIds, rounds: new Map() }, bare);
    } finally {
      await database.close();
    }
  } finally {
    await crowds.close();
  }
}

/** The mailbox at its own port: before any client of the SDK takes part of the machine. */
async function measureBare(crowds: TwoCrowds, database: MailboxDatabase): Promise<MailboxFigures> {
  const load = new MailboxLoad(crowds.supernode, (args) =>
    spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
  );
  try {
    return await load.measure(database);
  } finally {
    load.stop();
  }
}

export const messages: Benchmark = {
  name: 'messages',
  what: 'messages through the SDK: over sessions, through the supernode, and to users who are away',
  run,
};
