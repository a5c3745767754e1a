import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { EdgeClient, type Session } from '@parley/edge-client';
import { handleSchema, userIdSchema } from '@parley/protocol';
import { machineClockMs } from '../../bench/machine-clock.ts';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { until } from '../../processes/until.ts';
import type {
  Conversation,
  CrowdCommands,
  News,
  ReceivedMessage,
  StoredMessage,
  Towards,
  User,
} from './crowd-messages.ts';
import { LiveConversation, peerOf, talk } from './live-conversation.ts';

const CONTACT_DEADLINE_MS = 60_000;
const STORED_DEADLINE_MS = 60_000;
const STALL_RESOLUTION_MS = 10;

interface MutableNews {
  reHomed: News['reHomed'][number][];
  offline: News['offline'][number][];
  paths: News['paths'][number][];
}

const noNews = (): MutableNews => ({ reHomed: [], offline: [], paths: [] });

/** Apps around many edge clients in one process, driven by the demo. */
export class ClusterCrowd {
  readonly #clients = new Map<string, EdgeClient>();
  readonly #conversations: LiveConversation[] = [];
  readonly #watched = new Map<string, Set<string>>();
  readonly #received: ReceivedMessage[] = [];
  readonly #stored: StoredMessage[] = [];
  readonly #writers: NodeJS.Timeout[] = [];
  readonly #eventLoop = monitorEventLoopDelay({ resolution: STALL_RESOLUTION_MS });
  #sending = 0;
  #news = noNews();

  readonly handlers: CommandHandlers<CrowdCommands> = {
    open: async ({ url, folder, names }) => {
      // One after the other: forty that register at once are a storm, which is not what the demo shows.
      const users: User[] = [];
      for (const name of names) users.push(await this.#open(url, folder, name));
      return { users };
    },
    ask: (params) =>
      this.#each(params, async (client, { userId }) => {
        await client.contacts.request(userIdSchema.parse(userId));
      }),
    accept: (params) =>
      this.#each(params, async (client, { userId }) => {
        const peer = userIdSchema.parse(userId);
        await until('a request', () => client.contacts.get(peer), CONTACT_DEADLINE_MS);
        await client.contacts.accept(peer);
      }),
    watch: (params) =>
      this.#each(params, async (client, { name, userId }) => {
        const peer = userIdSchema.parse(userId);
        const isContact = (): true | undefined =>
          client.contacts.get(peer)?.state === 'accepted' || undefined;
        await until('a contact', isContact, CONTACT_DEADLINE_MS);
        const watched = this.#watched.get(name) ?? new Set();
        this.#watched.set(name, watched.add(userId));
        await client.presence.subscribe(peer);
      }),
    answerAll: () => {
      for (const [name, client] of this.#clients) {
        client.on('session', ({ session }) => this.#keep(name, client, session, 'session', 'callee'));
        client.calls.on('incoming', (call) => {
          talk(call);
          void call
            .accept()
            .then(({ session }) => session && this.#keep(name, client, session, 'call', 'callee'));
        });
      }
      return Promise.resolve(null);
    },
    call: async ({ name, userId, relayed }) => {
      const client = this.#client(name);
      const policy = relayed ? 'relay-only' : 'any';
      const call = client.calls.call(userIdSchema.parse(userId), { policy });
      talk(call);
      const { session } = await call.connected;
      if (session) this.#keep(name, client, session, 'call', 'caller');
      return null;
    },
    openSession: async ({ name, userId, relayed }) => {
      const client = this.#client(name);
      const policy = relayed ? 'relay-only' : 'any';
      const session = await client.openSession(userIdSchema.parse(userId), { policy });
      this.#keep(name, client, session, 'session', 'caller');
      return null;
    },
    write: ({ name, userId, everyMs }) => {
      const client = this.#client(name);
      let count = 0;
      this.#writers.push(
        setInterval(() => {
          count += 1;
          void this.#write(client, userId, `${name} ${count}`);
        }, everyMs),
      );
      return Promise.resolve(null);
    },
    news: () => {
      const news = this.#news;
      this.#news = noNews();
      return Promise.resolve(news);
    },
    begin: () => {
      for (const conversation of this.#conversations) conversation.begin();
      this.#eventLoop.reset();
      return Promise.resolve(this.#reports());
    },
    conversations: () => Promise.resolve(this.#reports()),
    stall: () => Promise.resolve(this.#eventLoop.max / 1e6),
    whereabouts: () =>
      Promise.resolve(
        [...this.#clients].map(([name, client]) => ({
          name,
          userId: client.identity.userId ?? '',
          isOnline: client.state === 'online',
          url: client.home ?? null,
          notSeen: [...(this.#watched.get(name) ?? [])].filter(
            (userId) => client.presence.get(userIdSchema.parse(userId))?.state !== 'online',
          ),
        })),
      ),
    finishMessages: async () => {
      for (const timer of this.#writers.splice(0)) clearInterval(timer);
      await until('all messages stored', () => this.#sending === 0 || undefined, STORED_DEADLINE_MS);
      return { stored: this.#stored };
    },
    received: () => Promise.resolve(this.#received),
  };

  constructor() {
    this.#eventLoop.enable();
  }

  #reports(): Conversation[] {
    return this.#conversations.map((conversation) => conversation.report());
  }

  async #open(url: string, folder: string, name: string): Promise<User> {
    const client = await EdgeClient.open({
      ...{ url, dataDir: join(folder, name) },
      udp: { bind: { ipv4: { address: '127.0.0.1' }, ipv6: false }, includeLoopback: true },
    });
    this.#clients.set(name, client);
    await client.register({ handle: handleSchema.parse(name) });
    const userId = client.identity.userId ?? '';
    this.#follow(name, client, userId);
    await client.connect();
    return { name, userId };
  }

  #follow(name: string, client: EdgeClient, userId: string): void {
    let lostAt: number | undefined;
    client.on('state', ({ from, to }) => {
      if (from === 'online') lostAt = machineClockMs();
      if (to !== 'online' || lostAt === undefined) return;
      const [onlineAt, url] = [machineClockMs(), client.home ?? ''];
      this.#news.reHomed.push({ name, lostAt, onlineAt, url });
      lostAt = undefined;
    });
    client.presence.on('change', (presence) => {
      if (presence.state === 'offline' && this.#watched.get(name)?.has(presence.userId) === true)
        this.#news.offline.push({ name, userId: presence.userId });
    });
    client.messages.on('message', ({ id }) => {
      this.#received.push({ id, userId });
      return Promise.resolve();
    });
  }

  #keep(
    name: string,
    client: EdgeClient,
    session: Session,
    kind: 'call' | 'session',
    role: 'caller' | 'callee',
  ): void {
    const about = { name, kind, role, peer: peerOf(client, session) };
    const onPath = (path: string, relays: readonly string[]): void => {
      this.#news.paths.push({ name, path, relays });
    };
    this.#conversations.push(new LiveConversation(session, about, onPath));
  }

  async #write(client: EdgeClient, userId: string, text: string): Promise<void> {
    this.#sending += 1;
    const sent = await client.messages.send(userIdSchema.parse(userId), text);
    await sent.stored;
    this.#stored.push({ id: sent.id, to: userId });
    this.#sending -= 1;
  }

  async #each(
    params: readonly Towards[],
    act: (client: EdgeClient, towards: Towards) => Promise<void>,
  ): Promise<null> {
    await Promise.all(params.map((towards) => act(this.#client(towards.name), towards)));
    return null;
  }

  #client(name: string): EdgeClient {
    const client = this.#clients.get(name);
    if (!client) throw new TypeError(`there is no ${name}`);
    return client;
  }
}
