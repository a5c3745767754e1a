import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { RemoteProcess } from '../../processes/remote-process.ts';
import { median, type Figure } from '../figures.ts';
import type { MailboxDatabase } from '../mailbox-database.ts';
import { processCpuSeconds, processTreeCpuSeconds } from '../process-tree-cpu.ts';
import { WrongResultError } from '../session.bench.ts';
import type { Flood, MailboxCrowdCommands, Writing } from './mailbox-crowd-commands.ts';

const ENTRY = fileURLToPath(new URL('./mailbox-crowd-process.js', import.meta.url));
const USERS = 48;
/** Messages of one sender under way; with all senders about as many as the supernode commits at most. */
const WINDOW = 16;
/** Until the code of the supernode is compiled: the first thousands of messages cost it three times as much. */
const WARM_UP_MS = 5_000;
const ROUNDS = 3;
const ROUND_MS = 2_000;
const PACE_MS = 4_000;
const LOAD = 0.7;
const ROWS_PER_COMMIT = 400;
const YARDSTICK_MS = 1_000;
const YARDSTICK = 'rows/s that the database commits';

/** Seconds of processor time. */
interface Cpu {
  readonly supernode: number;
  readonly database: number;
  readonly load: number;
}

interface Round {
  readonly messages: number;
  readonly perSecond: number;
  readonly cpu: Cpu;
}

export interface MailboxFigures {
  readonly figures: Readonly<Record<string, Figure>>;
  readonly rows: readonly Readonly<Record<string, string | number>>[];
}

/** Loads the mailboxes of a supernode from a process of its own, with connections that seal and keep nothing. */
export class MailboxLoad {
  readonly #child: ChildProcess;
  readonly #crowd: RemoteProcess<MailboxCrowdCommands>;
  readonly #supernodePid: number;
  readonly #url: string;

  constructor(
    supernode: { readonly url: string; readonly pid: number },
    spawn: (args: readonly string[]) => ChildProcess,
  ) {
    this.#child = spawn([ENTRY]);
    this.#crowd = new RemoteProcess<MailboxCrowdCommands>('mailbox load', this.#child);
    this.#supernodePid = supernode.pid;
    this.#url = supernode.url;
  }

  /** @throws WrongResultError when a message did not come exactly once */
  async measure(database: MailboxDatabase): Promise<MailboxFigures> {
    await this.#crowd.run('join', { url: this.#url, count: USERS });
    for (const isGrouped of [true, false])
      await this.#crowd.run('flood', { ms: WARM_UP_MS, window: WINDOW, toAway: false, isGrouped });
    const online: Round[] = [];
    const grouped: Round[] = [];
    // In turn, so that whatever else the machine does falls on both alike.
    for (let round = 0; round < ROUNDS; round += 1) {
      online.push(await this.#flood({ toAway: false, isGrouped: false }));
      grouped.push(await this.#flood({ toAway: false, isGrouped: true }));
    }
    const paced = await this.#pace(online, false);
    const pacedGrouped = await this.#pace(grouped, true);
    await this.#crowd.run('away', null);
    const away = await this.#flood({ toAway: true, isGrouped: false });
    const awayGrouped = await this.#flood({ toAway: true, isGrouped: true });
    const copies = await database.copies();
    const before = await this.#cpu();
    const rowsPerSecond = await database.insertRate(copies, ROWS_PER_COMMIT, YARDSTICK_MS);
    const rowsCpu = since(before, await this.#cpu()).database;
    await this.#crowd.run('back', null);
    const caughtUp = await this.#timed(() => this.#crowd.run('catchUp', null));
    await this.#check();

    const compared = (value: number): Figure => ({
      ...{ value, unit: 'messages/s' },
      yardstick: { name: YARDSTICK, value: rowsPerSecond },
      ratio: value / rowsPerSecond,
    });
    const ms = (value: number): Figure => ({ value, unit: 'ms' });
    const perCore = (rounds: readonly Round[]): Figure => ({
      value: median(rounds.map(({ messages, cpu }) => messages / (cpu.supernode + cpu.database))),
      unit: 'messages per CPU second of supernode and database',
    });
    return {
      figures: {
        mailboxPerSecond: compared(rateOf(online)),
        mailboxPerCoreSecond: perCore(online),
        mailboxP50Ms: ms(paced.arrivedAfterMs.p50),
        mailboxP99Ms: ms(paced.arrivedAfterMs.p99),
        mailboxStoredP50Ms: ms(paced.storedAfterMs.p50),
        mailboxStoredP99Ms: ms(paced.storedAfterMs.p99),
        mailboxGroupedPerSecond: compared(rateOf(grouped)),
        mailboxGroupedPerCoreSecond: perCore(grouped),
        mailboxGroupedP50Ms: ms(pacedGrouped.arrivedAfterMs.p50),
        mailboxGroupedP99Ms: ms(pacedGrouped.arrivedAfterMs.p99),
        mailboxGroupedStoredP50Ms: ms(pacedGrouped.storedAfterMs.p50),
        mailboxGroupedStoredP99Ms: ms(pacedGrouped.storedAfterMs.p99),
        mailboxAwayPerSecond: compared(away.perSecond),
        mailboxAwayPerCoreSecond: perCore([away]),
        mailboxAwayGroupedPerSecond: compared(awayGrouped.perSecond),
        mailboxAwayGroupedPerCoreSecond: perCore([awayGrouped]),
        mailboxCatchUpPerSecond: { value: caughtUp.perSecond, unit: 'messages/s' },
        mailboxCatchUpPerCoreSecond: perCore([caughtUp]),
        databaseRowsPerCoreSecond: {
          value: (rowsPerSecond * YARDSTICK_MS) / 1_000 / rowsCpu,
          unit: 'rows per CPU second of the database',
        },
      },
      rows: [
        ...online.map((round, at) => row(`bare, one a request, online with receipts, ${at + 1}`, round)),
        ...grouped.map((round, at) => row(`bare, grouped, online with receipts, ${at + 1}`, round)),
        row('bare, one a request, stored for users who are away', away),
        row('bare, grouped, stored for users who are away', awayGrouped),
        row('bare, catch-up', caughtUp),
      ],
    };
  }

  stop(): void {
    this.#child.kill();
  }

  #pace(rounds: readonly Round[], isGrouped: boolean): Promise<Flood> {
    const perSecond = rateOf(rounds) * LOAD;
    return this.#crowd.run('pace', { ms: PACE_MS, perSecond, toAway: false, isGrouped });
  }

  async #flood(writing: Omit<Writing, 'ms'>): Promise<Round> {
    return this.#timed(async () => {
      const flood = await this.#crowd.run('flood', { ...writing, ms: ROUND_MS, window: WINDOW });
      return { ...flood, endedAt: lastOf(flood) };
    });
  }

  async #timed(
    act: () => Promise<{ readonly messages: number; readonly beganAt: number; readonly endedAt: number }>,
  ): Promise<Round> {
    const before = await this.#cpu();
    const { messages, beganAt, endedAt } = await act();
    const cpu = since(before, await this.#cpu());
    return { messages, perSecond: messages / ((endedAt - beganAt) / 1_000), cpu };
  }

  async #cpu(): Promise<Cpu> {
    const [tree, supernode, load] = await Promise.all([
      processTreeCpuSeconds(this.#supernodePid),
      processCpuSeconds(this.#supernodePid),
      processCpuSeconds(this.#child.pid ?? Number.NaN),
    ]);
    return { supernode, database: tree - supernode, load };
  }

  async #check(): Promise<void> {
    const { wrong, messages } = await this.#crowd.run('wrong', null);
    if (wrong > 0) throw new WrongResultError(`${wrong} of ${messages} messages did not come exactly once`);
  }
}

function rateOf(rounds: readonly Round[]): number {
  return median(rounds.map(({ perSecond }) => perSecond));
}

function lastOf({ arrivedAt, receiptedAt, storedAt }: Flood): number {
  return Math.max(arrivedAt, receiptedAt, storedAt);
}

function since(before: Cpu, after: Cpu): Cpu {
  return {
    supernode: after.supernode - before.supernode,
    database: after.database - before.database,
    load: after.load - before.load,
  };
}

function row(road: string, { messages, perSecond, cpu }: Round): Record<string, string | number> {
  const perThousand = (seconds: number): number => (seconds * 1_000) / messages;
  return {
    'CPU s per 1,000': road,
    'per second': perSecond,
    supernode: perThousand(cpu.supernode),
    database: perThousand(cpu.database),
    load: perThousand(cpu.load),
  };
}
