import type { UserId } from '@parley/protocol';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { until } from '../../processes/until.ts';
import { machineClockMs } from '../machine-clock.ts';
import { patiently, retried } from './patient.ts';
import type { StormCommands, StormReport } from './storm-commands.ts';
import { StormUser, type StormObserver } from './storm-user.ts';

const AT_ONCE = 16;
const JOIN_DEADLINE_MS = 120_000;

/** Many light clients in one process, each of which watches the one before and the one after. */
export class StormCrowd implements StormObserver {
  #users: readonly StormUser[] = [];
  #log = new StormLog();

  readonly handlers: CommandHandlers<StormCommands> = {
    join: async ({ urls, handle, count }) => {
      this.#users = Array.from({ length: count }, (_, at) => {
        // Clients come in at all supernodes.
        const shift = at % urls.length;
        const [first = '', ...others] = [...urls.slice(shift), ...urls.slice(0, shift)];
        return new StormUser([first, ...others], `${handle}${at}`, this);
      });
      await this.#each(async (user) => {
        await retried(() => user.register());
        user.connect();
        await until('the first sign-in', () => user.isOnline || undefined, JOIN_DEADLINE_MS);
      });
      const before = (at: number): UserId => this.#user(at - 1).userId;
      const after = (at: number): UserId => this.#user(at + 1).userId;
      await this.#each((user, at) => patiently(user, () => user.ask(after(at))));
      await this.#each((user, at) => patiently(user, () => user.accept(before(at))));
      await this.#each((user, at) => patiently(user, () => user.watch([before(at), after(at)])));
      await this.#untilSettled(JOIN_DEADLINE_MS);
      const perSupernode: Record<string, number> = {};
      for (const { url = 'none' } of this.#users) perSupernode[url] = (perSupernode[url] ?? 0) + 1;
      return { perSupernode };
    },
    begin: () => {
      this.#log = new StormLog();
      return Promise.resolve(null);
    },
    settled: async ({ deadlineMs }) => {
      await this.#untilSettled(deadlineMs);
      const missing = this.#users.filter(({ isSettled }) => !isSettled).length;
      return { ...this.#log.report, missing };
    },
  };

  signedIn(how: 'resumed' | 'recovered' | 'anew'): void {
    this.#log.signInsAt.push(machineClockMs());
    if (how !== 'anew') this.#log.resumed += 1;
    if (how === 'recovered') this.#log.recovered += 1;
  }

  reHomed(userId: string, lostAt: number, onlineAt: number): void {
    const { reHomed } = this.#log;
    if (reHomed.has(userId)) this.#log.lostAgain += 1;
    else reHomed.set(userId, { lostAt, onlineAt });
  }

  refused(code: string): void {
    this.#log.refusals[code] = (this.#log.refusals[code] ?? 0) + 1;
  }

  sawOffline(): void {
    this.#log.flaps += 1;
  }

  #user(at: number): StormUser {
    const { length } = this.#users;
    const user = this.#users[(at + length) % length];
    if (!user) throw new TypeError('there are no users');
    return user;
  }

  /** The report counts those that are missing when the time is over. */
  async #untilSettled(deadlineMs: number): Promise<void> {
    const isSettled = (): true | undefined => this.#users.every((user) => user.isSettled) || undefined;
    await until('everybody', isSettled, deadlineMs).catch(() => undefined);
  }

  /** A few at a time: the beginning is no storm. */
  async #each(act: (user: StormUser, at: number) => Promise<void>): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < this.#users.length) {
        const at = next;
        next += 1;
        await act(this.#user(at), at);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }
}

class StormLog {
  /** The first time of each user. */
  readonly reHomed = new Map<string, { lostAt: number; onlineAt: number }>();
  lostAgain = 0;
  readonly signInsAt: number[] = [];
  readonly refusals: Record<string, number> = {};
  resumed = 0;
  recovered = 0;
  flaps = 0;

  get report(): Omit<StormReport, 'missing'> {
    const { signInsAt, refusals, resumed, recovered, flaps, lostAgain } = this;
    return {
      ...{ signInsAt, refusals, resumed, recovered, flaps, lostAgain },
      reHomed: [...this.reHomed.values()],
    };
  }
}
