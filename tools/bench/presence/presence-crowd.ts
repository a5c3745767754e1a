import { setTimeout as delay } from 'node:timers/promises';
import type { Presence, UserId } from '@parley/protocol';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { until } from '../../processes/until.ts';
import { machineClockMs } from '../machine-clock.ts';
import { patiently, retried } from '../storm/patient.ts';
import { StormUser, type StormObserver } from '../storm/storm-user.ts';
import type { PresenceCommands } from './presence-commands.ts';

const AT_ONCE = 16;
const JOIN_DEADLINE_MS = 60_000;
const ARRIVAL_DEADLINE_MS = 10_000;

interface Update {
  readonly sentAt: number;
  readonly publisher: StormUser;
  left: number;
}

/** Users in one process: publishers, and those who watch them. */
export class PresenceCrowd {
  #publishers: readonly StormUser[] = [];
  #watchers: readonly StormUser[] = [];
  /** By publisher and status text. */
  readonly #updates = new Map<string, Update>();
  readonly #sameHomeMs: number[] = [];
  readonly #otherHomeMs: number[] = [];
  #rounds = 0;

  readonly handlers: CommandHandlers<PresenceCommands> = {
    join: async ({ urls, publishers, watchersEach }) => {
      const open = (handle: string, at: number): StormUser => {
        const shift = at % urls.length;
        const [first = '', ...others] = [...urls.slice(shift), ...urls.slice(0, shift)];
        const user: StormUser = new StormUser(
          [first, ...others],
          `${handle}${at}`,
          this.#observerOf(() => user),
        );
        return user;
      };
      this.#publishers = Array.from({ length: publishers }, (_, at) => open('publisher', at));
      this.#watchers = Array.from({ length: publishers * watchersEach }, (_, at) => open('watcher', at));
      await inTurn([...this.#publishers, ...this.#watchers], async (user) => {
        await retried(() => user.register());
        user.connect();
        await until('a sign-in', () => user.isOnline || undefined, JOIN_DEADLINE_MS);
      });
      await inTurn(this.#watchers, async (watcher, at) => {
        const publisher = this.#publishers[at % publishers];
        if (!publisher) throw new TypeError('there are no publishers');
        await patiently(watcher, () => watcher.ask(publisher.userId));
        await patiently(publisher, () => publisher.accept(watcher.userId));
        await patiently(watcher, () => watcher.watch([publisher.userId]));
      });
      return null;
    },
    publish: async ({ rounds, everyMs }) => {
      this.#sameHomeMs.length = 0;
      this.#otherHomeMs.length = 0;
      const before = this.#updates.size;
      await Promise.all(this.#publishers.map((user, at) => this.#publish(user, at, rounds, everyMs)));
      const missing = (): number => [...this.#updates.values()].reduce((sum, { left }) => sum + left, 0);
      await until('all deliveries', () => missing() === 0 || undefined, ARRIVAL_DEADLINE_MS).catch(
        () => undefined, // counted
      );
      return {
        updates: this.#updates.size - before,
        sameHomeMs: [...this.#sameHomeMs],
        otherHomeMs: [...this.#otherHomeMs],
        missing: missing(),
      };
    },
    idle: async ({ ms }) => {
      const users = [...this.#publishers, ...this.#watchers];
      const bytes = (): number => users.reduce((sum, user) => sum + user.bytes, 0);
      const before = bytes();
      await delay(ms);
      return { bytesPerClient: (bytes() - before) / users.length };
    },
    leave: () => {
      for (const user of [...this.#publishers, ...this.#watchers]) user.close();
      return Promise.resolve(null);
    },
  };

  async #publish(user: StormUser, at: number, rounds: number, everyMs: number): Promise<void> {
    const watchers = this.#watchers.length / this.#publishers.length;
    await delay((everyMs * at) / this.#publishers.length);
    for (let round = 0; round < rounds; round += 1) {
      this.#rounds += 1;
      const statusText = String(this.#rounds);
      const sentAt = machineClockMs();
      this.#updates.set(`${user.userId} ${statusText}`, { sentAt, publisher: user, left: watchers });
      await user.setPresence({ state: round % 2 === 0 ? 'busy' : 'online', statusText });
      await delay(Math.max(0, everyMs - (machineClockMs() - sentAt)));
    }
  }

  #observerOf(watcher: () => StormUser): StormObserver {
    return {
      signedIn: () => undefined,
      reHomed: () => undefined,
      refused: () => undefined,
      sawOffline: () => undefined,
      saw: (presence) => this.#saw(watcher(), presence),
    };
  }

  #saw(watcher: StormUser, { userId, statusText }: { userId: UserId } & Pick<Presence, 'statusText'>): void {
    const update = this.#updates.get(`${userId} ${statusText ?? ''}`);
    if (!update) return;
    update.left -= 1;
    const latencies = update.publisher.url === watcher.url ? this.#sameHomeMs : this.#otherHomeMs;
    latencies.push(machineClockMs() - update.sentAt);
  }
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
