import { createClient, createCluster, createSentinel } from 'redis';
import type { RedisPlace } from './redis-url.ts';

/** One server or a Redis Cluster, as far as a connection cares. */
export interface RedisBackend {
  /** Whether commands are sent at all; without it they fail at once. */
  readonly isReady: boolean;
  connect(): Promise<void>;
  /** @param key - decides the server where there are several */
  send(key: string | undefined, command: readonly string[]): Promise<unknown>;
  publish(channel: string, message: string): Promise<unknown>;
  /** Lasts until {@link destroy}, over every loss of the connection. */
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  /** At once: what waits for an answer fails. */
  destroy(): void;
}

export interface BackendEvents {
  /** May be called often, and while nothing is wrong any more. */
  readonly onError: (error: Error) => void;
  readonly onReady: () => void;
}

const CONNECT_TIMEOUT_MS = 3_000;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2_000;
/** Between questions to sentinels. */
const SCAN_MS = 1_000;
/** A server of a Redis Cluster that is away for so long may have a successor: the others are asked, again and again. */
const REFRESH_MS = 1_000;
/** Event of the driver: a server is left, and with it the channels that were subscribed there. */
const CHANNELS_LOST = '__resubscribeListeners';

/** Grows to two seconds, and at random, so that all supernodes do not come back in the same moment. */
export function reconnectDelay(retries: number, random: () => number): number {
  const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(retries, 10));
  return FIRST_RETRY_MS / 2 + random() * longest;
}

/** @param authorities - certificates in PEM that servers are checked by with TLS; those of Node where it is undefined */
export function openBackend(
  place: RedisPlace,
  authorities: string | undefined,
  events: BackendEvents,
): RedisBackend {
  const options = clientOptions(place, authorities);
  if (place.kind === 'cluster') return clusterBackend(place, options, events);
  return place.kind === 'sentinel'
    ? sentinelBackend(place, options, events)
    : singleBackend(place, options, events);
}

const NO_TIMEOUT = { timeout: 0 };

function clientOptions(place: RedisPlace, authorities: string | undefined) {
  const socket = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectStrategy: (retries: number) => reconnectDelay(retries, Math.random),
  };
  const tls = { tls: true as const, ...(authorities !== undefined && { ca: authorities }) };
  return {
    // A command that waits for a connection would be executed when nobody wants it any more.
    disableOfflineQueue: true,
    disableClientInfo: true,
    // A connection has deadlines of its own, which also hold while a command waits for its answer.
    commandOptions: NO_TIMEOUT,
    maintNotifications: 'disabled' as const,
    socket: place.isTls ? { ...socket, ...tls } : socket,
    ...(place.username !== undefined && { username: place.username }),
    ...(place.password !== undefined && { password: place.password }),
    ...(place.database !== undefined && { database: place.database }),
  };
}

type ClientOptions = ReturnType<typeof clientOptions>;

function singleBackend(
  place: RedisPlace,
  { socket, ...options }: ClientOptions,
  events: BackendEvents,
): RedisBackend {
  const client = createClient({ ...options, socket: { ...socket, ...place.servers[0] } });
  client.on('error', events.onError);
  client.on('ready', events.onReady);
  return {
    get isReady() {
      return client.isReady;
    },
    connect: async () => {
      await client.connect();
    },
    send: (_key, command) => client.sendCommand([...command]),
    publish: (channel, message) => client.publish(channel, message),
    subscribe: (channel, listener) => client.subscribe(channel, listener),
    unsubscribe: (channel) => client.unsubscribe(channel),
    destroy: () => client.destroy(),
  };
}

function clusterBackend(place: RedisPlace, defaults: ClientOptions, events: BackendEvents): RedisBackend {
  const cluster = createCluster({
    rootNodes: place.servers.map((socket) => ({ socket })),
    defaults,
    topologyRefreshOnReconnectionAttemptStrategy: REFRESH_MS,
    commandOptions: NO_TIMEOUT,
  });
  cluster.on('error', events.onError);
  cluster.on('node-error', events.onError);
  cluster.on('node-ready', events.onReady);
  // The driver would subscribe by itself at the successor of a lost server, and leave it unhandled when that fails, which ends the
  // process. Whoever hears that something is ready does it, too, and can do it again.
  cluster.removeAllListeners(CHANNELS_LOST);
  cluster.on(CHANNELS_LOST, events.onReady);
  return {
    get isReady() {
      return cluster.isReady;
    },
    connect: async () => {
      await cluster.connect();
    },
    send: (key, command) => cluster.sendCommand(key, false, [...command]),
    // Sharded: a plain PUBLISH goes to every server of the cluster.
    publish: (channel, message) => cluster.sPublish(channel, message),
    subscribe: (channel, listener) => cluster.sSubscribe(channel, listener),
    unsubscribe: (channel) => cluster.sUnsubscribe(channel),
    destroy: () => cluster.destroy(),
  };
}

/** The one server that takes writes, as the sentinels name it; they tell when it is another one. */
function sentinelBackend(
  place: RedisPlace,
  nodeClientOptions: ClientOptions,
  events: BackendEvents,
): RedisBackend {
  const sentinel = createSentinel({
    name: place.watched ?? '',
    sentinelRootNodes: [...place.servers],
    nodeClientOptions,
    sentinelClientOptions: { socket: nodeClientOptions.socket },
    // A command is sent once: that another server is in charge now, sentinels tell, and are asked.
    maxCommandRediscovers: 0,
    commandOptions: NO_TIMEOUT,
    scanInterval: SCAN_MS,
    passthroughClientErrorEvents: true,
  });
  sentinel.on('error', events.onError);
  sentinel.on('client-error', ({ error }: { readonly error: Error }) => events.onError(error));
  sentinel.on('ready', events.onReady);
  return {
    get isReady() {
      return sentinel.isReady;
    },
    connect: async () => {
      await sentinel.connect();
    },
    send: (_key, command) => sentinel.sendCommand(false, [...command]),
    publish: (channel, message) => sentinel.publish(channel, message),
    subscribe: (channel, listener) => sentinel.subscribe(channel, listener),
    unsubscribe: (channel) => sentinel.unsubscribe(channel),
    destroy: () => {
      sentinel.destroy().catch(events.onError);
    },
  };
}
