import { setTimeout as delay } from 'node:timers/promises';
import type { UserId } from '@parley/protocol';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { until } from '../../processes/until.ts';
import { machineClockMs } from '../machine-clock.ts';
import { patiently, retried } from '../storm/patient.ts';
import { StormUser, type StormObserver } from '../storm/storm-user.ts';
import type { Group, Pair, PresenceCommands, Published } from './presence-commands.ts';
import { UpdateLedger } from './update-ledger.ts';

const AT_ONCE = 16;
const JOIN_DEADLINE_MS = 60_000;
const ARRIVAL_DEADLINE_MS = 10_000;

/** Users in one process: publishers, and those who watch them. */
export class PresenceCrowd {
  readonly #users: StormUser[] = [];
  #publishers: readonly StormUser[] = [];
  /** Of those who joined last: who watches each publisher. */
  readonly #watchers = new Map<StormUser, readonly StormUser[]>();
  /** Of publishers. */
  readonly #homes = new Map<string, string | undefined>();
  #ledger = new UpdateLedger();
  readonly #otherHomes = new Map<StormUser, number>();
  #updates = 0;
  /** Summed up over the updates. */
  #toOtherHomes = 0;

  readonly handlers: CommandHandlers<PresenceCommands> = {
    join: async ({ urls, ...group }) => {
      await this.#join(urls, group);
      const contacts = [...this.#watchers].flatMap(([publisher, watchers]) =>
        watchers.map(({ userId }): Pair => [publisher.userId, userId]),
      );
      return { contacts };
    },
    watch: async () => {
      const watched = new Map<StormUser, UserId[]>();
      for (const [{ userId }, watchers] of this.#watchers)
        for (const watcher of watchers) watched.set(watcher, [...(watched.get(watcher) ?? []), userId]);
      await inTurn([...watched], ([watcher, userIds]) => patiently(watcher, () => watcher.watch(userIds)));
      return null;
    },
    publishAtFull: ({ ms }) =>
      this.#published(async (begun) => {
        const publish = async (user: StormUser): Promise<void> => {
          while (machineClockMs() - begun < ms) {
            await this.#update(user, machineClockMs());
            await within(ARRIVAL_DEADLINE_MS, this.#ledger.seenByAll(user.userId));
          }
        };
        await Promise.all(this.#publishers.map(publish));
      }),
    publishAt: ({ updatesPerSecond, ms }) =>
      this.#published(async (begun) => {
        const everyMs = (this.#publishers.length * 1_000) / updatesPerSecond;
        const publish = async (user: StormUser, at: number): Promise<void> => {
          const requests: Promise<void>[] = [];
          for (let due = (everyMs * at) / this.#publishers.length; due < ms; due += everyMs) {
            await delay(Math.max(0, begun + due - machineClockMs()));
            requests.push(this.#update(user, begun + due));
          }
          await Promise.all(requests);
        };
        await Promise.all(this.#publishers.map(publish));
      }),
    idle: async ({ ms }) => {
      const bytes = (): number => this.#users.reduce((sum, user) => sum + user.bytes, 0);
      const before = bytes();
      await delay(ms);
      return { bytesPerClient: (bytes() - before) / this.#users.length, clients: this.#users.length };
    },
  };

  async #join(urls: readonly string[], { publishers: count, watchersEach }: Group): Promise<void> {
    const ledger = new UpdateLedger();
    const firstAt = this.#users.length;
    const open = (): StormUser => {
      const at = this.#users.length;
      const shift = at % urls.length;
      const [first = '', ...others] = [...urls.slice(shift), ...urls.slice(0, shift)];
      const user: StormUser = new StormUser(
        [first, ...others],
        `presence${at}`,
        this.#observerOf(() => user, ledger),
      );
      this.#users.push(user);
      return user;
    };
    const publishers = Array.from({ length: count }, open);
    // As many as there are publishers, or as one publisher needs: each watches several.
    const watchers = Array.from({ length: Math.max(count, watchersEach) }, open);
    await inTurn(this.#users.slice(firstAt), async (user) => {
      await retried(() => user.register());
      user.connect();
      await until('a sign-in', () => user.isOnline || undefined, JOIN_DEADLINE_MS);
    });
    this.#publishers = publishers;
    this.#ledger = ledger;
    this.#watchers.clear();
    for (const [at, publisher] of publishers.entries()) {
      const own = Array.from({ length: watchersEach }, (_, step) => watchers[(at + step) % watchers.length]);
      this.#watchers.set(
        publisher,
        own.filter((watcher) => watcher !== undefined),
      );
      ledger.publisher(publisher.userId, watchersEach);
      this.#homes.set(publisher.userId, publisher.url);
      const homes = new Set(own.map((watcher) => watcher?.url));
      homes.delete(publisher.url);
      this.#otherHomes.set(publisher, homes.size);
    }
  }

  async #published(publish: (begun: number) => Promise<void>): Promise<Published> {
    const begun = machineClockMs();
    this.#updates = 0;
    this.#toOtherHomes = 0;
    this.#ledger.takeLatencies();
    await publish(begun);
    await within(
      ARRIVAL_DEADLINE_MS,
      Promise.all(this.#publishers.map(({ userId }) => this.#ledger.seenByAll(userId))),
    );
    const { same, other } = this.#ledger.takeLatencies();
    return {
      updates: this.#updates,
      ms: machineClockMs() - begun,
      sameHomeMs: same,
      otherHomeMs: other,
      otherHomes: this.#toOtherHomes / this.#updates,
      missing: this.#ledger.missing,
    };
  }

  /** Alternates between two states, so that each update is one. */
  async #update(user: StormUser, dueAt: number): Promise<void> {
    this.#updates += 1;
    this.#toOtherHomes += this.#otherHomes.get(user) ?? 0;
    const number = this.#ledger.begin(user.userId, dueAt);
    await user.setPresence({ state: number % 2 === 0 ? 'online' : 'busy', statusText: String(number) });
  }

  #observerOf(watcher: () => StormUser, ledger: UpdateLedger): StormObserver {
    return {
      signedIn: () => undefined,
      reHomed: () => undefined,
      refused: () => undefined,
      sawOffline: () => undefined,
      saw: ({ userId, statusText }) => {
        const place = this.#homes.get(userId) === watcher().url ? 'same' : 'other';
        ledger.saw(userId, watcher().userId, place, Number(statusText ?? 0), machineClockMs());
      },
    };
  }
}

/** Waits, but not for ever: what has not come by then is missing. */
async function within(milliseconds: number, arrivals: Promise<unknown>): Promise<void> {
  const deadline = new AbortController();
  const late = delay(milliseconds, undefined, { signal: deadline.signal }).catch(() => undefined);
  await Promise.race([arrivals, late]);
  deadline.abort();
}

async function inTurn<Item>(
  items: readonly Item[],
  act: (item: Item, at: number) => Promise<void>,
): Promise<void> {
  const left = items.entries();
  const worker = async (): Promise<void> => {
    for (const [at, item] of left) await act(item, at);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
