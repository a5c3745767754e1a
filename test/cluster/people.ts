import { setTimeout as delay } from 'node:timers/promises';
import type { EdgeClient, EdgeClientOptions, UserId } from '@parley/edge-client';
import { befriend, ClientBench, userIdOf } from '../system/clients.ts';
import type { Cluster } from './cluster.ts';
import { eventsOf, History } from './history.ts';
import { homeOf, readRoster } from './observed-roster.ts';
import { until } from './waiting.ts';

const MAX_ACCOUNTS = 40;
const ROSTER_POLL_MS = 100;

/** What is kept for a user, in the words of the history. */
const KEPT = [
  "SELECT 'contact ' || peer_id AS what, state::text AS value FROM contact WHERE owner_id = $1",
  "SELECT 'call ' || session_id AS what, outcome::text AS value FROM call_record WHERE user_id = $1 AND outcome IS NOT NULL",
];

interface KeptRow {
  readonly what: string;
  readonly value: string;
}

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
  readonly #flows: MessageFlow[] = [];
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
    await Promise.all([
      this.ask(a, ({ presence }) => presence.subscribe(b.userId)),
      this.ask(b, ({ presence }) => presence.subscribe(a.userId)),
    ]);
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
    client.calls.on('recorded', ({ record: { sessionId, outcome } }) => {
      if (outcome !== null) this.#keep(userId, `call ${sessionId}`, outcome);
    });
    client.on('state', () => this.#noteServed(client, userId));
  }

  /** What a person asks of its home. Whoever grants it is part of the history. */
  async ask<Answer>(
    { client, userId }: Person,
    request: (client: EdgeClient) => Promise<Answer>,
  ): Promise<Answer> {
    const answer = await request(client);
    this.#noteServed(client, userId);
    return answer;
  }

  /** Name of the supernode that a client is connected to. */
  homeOf({ client }: Person): string | undefined {
    return client.home === undefined ? undefined : this.#cluster.node(client.home).nodeId;
  }

  /** Changes a contact of a person's to one that stays in the list. */
  async changeContact(person: Person, change: 'request' | 'accept' | 'block', peer: Person): Promise<void> {
    const contact = await this.ask(person, ({ contacts }) => contacts[change](peer.userId));
    if (contact) this.#keep(person.userId, `contact ${peer.userId}`, contact.state);
  }

  /** Reads again what was acknowledged as kept: in the database, as clients go on showing what they were told. */
  async readBack(): Promise<void> {
    const { history } = this;
    for (const userId of new Set(eventsOf(history.events, 'kept').map((event) => event.userId))) {
      for (const query of KEPT) {
        const { rows } = await this.#cluster.database.query(query, [userId]);
        for (const { what, value } of rows as readonly KeptRow[])
          history.record({ kind: 'read', userId, what, value: value.replaceAll('_', '-') });
      }
    }
  }

  /** Resolves when it is stored. */
  async send(from: Person, to: Person, text: string): Promise<string> {
    const sent = await this.ask(from, async ({ messages }) => {
      const sending = await messages.send(to.userId, text);
      await sending.stored;
      return sending;
    });
    this.history.record({ kind: 'stored', messageId: sent.id, to: to.userId });
    return sent.id;
  }

  /** One message after another at a steady pace until it is stopped. */
  flow(from: Person, to: Person, everyMs: number): MessageFlow {
    const flow = new MessageFlow((number) => this.send(from, to, `${from.name} ${number}`), everyMs);
    this.#flows.push(flow);
    return flow;
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

  /** Resolves with the home when the client is online at another supernode than the given one. */
  untilMoved(person: Person, from: string, deadlineMs = 30_000): Promise<string> {
    return until(
      `${person.name} online elsewhere than at ${from}`,
      () => {
        const home = this.homeOf(person);
        return home === from ? undefined : home;
      },
      deadlineMs,
    );
  }

  async clear(): Promise<void> {
    this.#watching.abort();
    for (const flow of this.#flows) flow.cancel(); // those of a test that failed
    await this.#bench.clear();
  }

  #keep(userId: UserId, what: string, value: string): void {
    this.history.record({ kind: 'kept', userId, what, value });
  }

  /** While the client is at no supernode, nobody has served it. */
  #noteServed({ home }: EdgeClient, userId: UserId): void {
    if (home === undefined) return;
    this.history.record({ kind: 'served', userId, nodeId: this.#cluster.node(home).nodeId });
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

  /** Sends nothing more. */
  cancel(): void {
    clearInterval(this.#timer);
  }

  /** Ends it; resolves with the ids when all that was sent is stored. */
  stop(): Promise<string[]> {
    this.cancel();
    return Promise.all(this.#sending);
  }
}
