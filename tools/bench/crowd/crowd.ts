import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EdgeClient, type Session } from '@parley/edge-client';
import { handleSchema, userIdSchema } from '@parley/protocol';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { until } from '../../processes/until.ts';
import { ArrivalLog } from './arrival-log.ts';
import type { CrowdCommands, Sent } from './crowd-commands.ts';
import { machineClockMs } from '../machine-clock.ts';
import { writeText } from './numbered-text.ts';

/** Messages of one client that are not stored yet. */
const WINDOW = 16;
const PACE_STEP_MS = 1;
const DIRECT_DEADLINE_MS = 20_000;

interface Sending {
  readonly round: string;
  readonly client: number;
  readonly number: number;
  readonly userId: string;
  readonly dueAt: number;
}

/** Apps around many edge clients in one process. */
export class Crowd {
  readonly #log = new ArrivalLog();
  #clients: readonly EdgeClient[] = [];

  readonly handlers: CommandHandlers<CrowdCommands> = {
    join: async ({ url, folder, handle, count, includeLoopback }) => {
      const names = Array.from({ length: count }, (_, at) => `${handle}${at}`);
      const udp = { includeLoopback };
      this.#clients = await Promise.all(
        names.map((name) => EdgeClient.open({ url, dataDir: join(folder, name), udp })),
      );
      await this.#each(async (client, at) => {
        client.messages.on('message', ({ text }) => {
          this.#log.note(at, text);
          return Promise.resolve();
        });
        const name = names[at] ?? '';
        if (client.identity.userId === undefined)
          await client.register({ handle: handleSchema.parse(name), displayName: name });
        await client.connect();
      });
      return { userIds: this.#clients.map(({ identity }) => identity.userId ?? '') };
    },
    leave: async () => {
      await this.#each((client) => client.close());
      this.#clients = [];
      return null;
    },
    request: async ({ userIds }) => {
      await this.#each(async ({ contacts }, at) => {
        await contacts.request(userIdSchema.parse(userIds[at]));
      });
      return null;
    },
    accept: async ({ userIds }) => {
      await this.#each(async ({ contacts }, at) => {
        const userId = userIdSchema.parse(userIds[at]);
        await until('a request', () => contacts.get(userId));
        await contacts.accept(userId);
      });
      return null;
    },
    setPresence: async ({ state }) => {
      await this.#each(async ({ presence }) => {
        await presence.set({ state });
      });
      return null;
    },
    openSessions: async ({ userIds }) => {
      await this.#each(async (client, at) => {
        await direct(await client.openSession(userIdSchema.parse(userIds[at])));
      });
      return null;
    },
    flood: async ({ userIds, round, perClient }) => {
      const beganAt = machineClockMs();
      const storedAfterMs: number[] = [];
      await this.#each(async (_client, client) => {
        let next = 0;
        const worker = async (): Promise<void> => {
          while (next < perClient) {
            const number = next;
            next += 1;
            const userId = userIds[client] ?? '';
            storedAfterMs.push(await this.#send({ round, client, number, userId, dueAt: machineClockMs() }));
          }
        };
        await Promise.all(Array.from({ length: WINDOW }, worker));
      });
      return { beganAt, storedAt: machineClockMs(), storedAfterMs };
    },
    pace: (params) => this.#pace(params),
    arrivals: ({ round, count }) => this.#log.waitFor(round, count),
    tally: () => Promise.resolve(this.#log.tally()),
  };

  async #each(act: (client: EdgeClient, at: number) => Promise<void>): Promise<void> {
    await Promise.all(this.#clients.map(act));
  }

  async #pace({ userIds, round, perClient, perSecond }: CrowdCommands['pace']['params']): Promise<Sent> {
    const beganAt = machineClockMs();
    const sendings: Promise<number>[] = [];
    const count = perClient * userIds.length;
    while (sendings.length < count) {
      const due = Math.min(count, Math.ceil(((machineClockMs() - beganAt) * perSecond) / 1_000));
      while (sendings.length < due) {
        const client = sendings.length % userIds.length;
        const number = Math.floor(sendings.length / userIds.length);
        // Counted from when it was due: a sender that falls behind does not make the figure better.
        const dueAt = beganAt + (sendings.length * 1_000) / perSecond;
        sendings.push(this.#send({ round, client, number, userId: userIds[client] ?? '', dueAt }));
      }
      await delay(PACE_STEP_MS);
    }
    const storedAfterMs = await Promise.all(sendings);
    return { beganAt, storedAt: machineClockMs(), storedAfterMs };
  }

  /** Resolves when the message is stored: with the milliseconds since it was due. */
  async #send({ userId, ...text }: Sending): Promise<number> {
    const client = this.#clients[text.client];
    if (!client) throw new TypeError('join first');
    const sent = await client.messages.send(userIdSchema.parse(userId), writeText(text));
    await sent.stored;
    return machineClockMs() - text.dueAt;
  }
}

async function direct(session: Session): Promise<void> {
  await until('the direct path', () => (session.path === 'direct' ? true : undefined), DIRECT_DEADLINE_MS);
}
