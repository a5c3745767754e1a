import { setTimeout as delay } from 'node:timers/promises';
import type { EdgeClient, EdgeClientOptions, UserId } from '@parley/edge-client';
import { befriend, ClientBench, userIdOf } from '../system/clients.ts';
import type { Cluster } from './cluster.ts';
import { eventsOf, History } from './history.ts';
import { homeOf, readRoster } from './observed-roster.ts';
import { until } from './waiting.ts';

const MAX_ACCOUNTS = 40;
const ROSTER_POLL_MS = 100;

/** A user with one device, whose doings go into the history. */
export interface Person {
  readonly name: string;
  readonly client: EdgeClient;
  readonly userId: UserId;
}

/** Edge clients of a cluster, and all that they and the roster's readers saw. */
export class People {
  readonly history = new History();
  readonly #cluster: Cluster;
  readonly #bench: ClientBench;
  readonly #watching = new AbortController();
  #accounts = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#bench = new ClientBench(cluster.nodes[0]?.url ?? '');
    void this.#followRoster();
  }

  /** Registered and online; with `home`, a user whose home that supernode is. */
  async join(
    name: string,
    { home, ...options }: { readonly home?: string } & Partial<EdgeClientOptions> = {},
  ): Promise<Person> {
    for (let attempt = 0; attempt < MAX_ACCOUNTS; attempt += 1) {
      const client = await this.#bench.open(options);
      this.#accounts += 1;
      await client.register({ handle: `${name}${this.#accounts}` });
      const userId = userIdOf(client);
      if (home !== undefined && homeOf(await this.#cluster.roster(), userId)?.nodeId !== home) {
        await client.close();
        continue;
      }
      const person = { name, client, userId };
      this.observe(person);
      await client.connect();
      return person;
    }
    throw new TypeError(`no account fell to ${home ?? ''}`);
  }

  /** Contacts who watch each other. */
  async acquaint(a: Person, b: Person): Promise<void> {
    await befriend(a.client, b.client);
    await Promise.all([a.client.presence.subscribe(b.userId), b.client.presence.subscribe(a.userId)]);
    await this.untilSeen(a, b, 'online');
    await this.untilSeen(b, a, 'online');
  }

  /** Whatever this client sees from now on is part of the history. */
  observe({ name, client, userId }: Person): void {
    const { deviceId } = client.identity;
    client.messages.on('message', ({ id }) => {
      this.history.record({ kind: 'shown', messageId: id, userId, deviceId });
      return Promise.resolve();
    });
    client.presence.on('change', (presence) => {
      if (presence.userId === userId) return;
      const { state } = presence;
      this.history.record({ kind: 'view', watcher: name, userId: presence.userId, state });
    });
    client.on('state', ({ to }) => {
      if (to !== 'online' || client.home === undefined) return;
      const { nodeId } = this.#cluster.node(client.home);
      this.history.record({ kind: 'served', userId, nodeId });
    });
  }

  /** Name of the supernode that a client is connected to. */
  homeOf({ client }: Person): string | undefined {
    return client.home === undefined ? undefined : this.#cluster.node(client.home).nodeId;
  }

  /** Resolves when it is stored. */
  async send(from: Person, to: Person, text: string): Promise<string> {
    const sent = await from.client.messages.send(to.userId, text);
    await sent.stored;
    this.history.record({ kind: 'stored', messageId: sent.id, to: to.userId });
    return sent.id;
  }

  /** One message after another at a steady pace until it is stopped. */
  flow(from: Person, to: Person, everyMs: number): MessageFlow {
    return new MessageFlow((number) => this.send(from, to, `${from.name} ${number}`), everyMs);
  }

  async untilShown(messageId: string, to: Person, deadlineMs = 30_000): Promise<void> {
    await until(
      `${messageId} at ${to.name}`,
      () =>
        eventsOf(this.history.events, 'shown').some(
          (event) => event.messageId === messageId && event.userId === to.userId,
        ) || undefined,
      deadlineMs,
    );
  }

  /** Resolves when one shows the other so. */
  async untilSeen(watcher: Person, whom: Person, state: string, deadlineMs = 30_000): Promise<void> {
    await until(
      `${watcher.name} sees ${whom.name} ${state}`,
      () => watcher.client.presence.get(whom.userId)?.state === state || undefined,
      deadlineMs,
    );
  }

  /** Resolves when the client is online at the given supernode, or at any. */
  async untilOnline(person: Person, nodeId?: string, deadlineMs = 30_000): Promise<void> {
    await until(
      `${person.name} online${nodeId === undefined ? '' : ` at ${nodeId}`}`,
      () =>
        (person.client.state === 'online' && (nodeId === undefined || this.homeOf(person) === nodeId)) ||
        undefined,
      deadlineMs,
    );
  }

  async clear(): Promise<void> {
    this.#watching.abort();
    await this.#bench.clear();
  }

  async #followRoster(): Promise<void> {
    const { signal } = this.#watching;
    let epoch = -1;
    while (!signal.aborted) {
      // While the database is down there is nothing to read: the recorder goes on when it is back.
      const roster = await readRoster(this.#cluster.database, epoch).catch(() => undefined);
      if (roster) {
        epoch = roster.epoch;
        this.history.record({ kind: 'roster', roster });
      }
      await delay(ROSTER_POLL_MS, undefined, { signal }).catch(() => undefined); // ends with the test
    }
  }
}

/** Messages that are sent without waiting for those before. */
export class MessageFlow {
  readonly #sending: Promise<string>[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(send: (number: number) => Promise<string>, everyMs: number) {
    this.#timer = setInterval(() => {
      const sending = send(this.#sending.length);
      sending.catch(() => undefined); // `stop` tells
      this.#sending.push(sending);
    }, everyMs);
  }

  get count(): number {
    return this.#sending.length;
  }

  /** Ends it; resolves with the ids when all that was sent is stored. */
  stop(): Promise<string[]> {
    clearInterval(this.#timer);
    return Promise.all(this.#sending);
  }
}
