import { SupernodeError } from '../errors.ts';

/** Where Redis is, as `REDIS_URL` says it. */
export interface RedisPlace {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** One server, or those that know the others: of the Redis Cluster, or the sentinels. */
  readonly servers: readonly [RedisServerAddress, ...RedisServerAddress[]];
  readonly isTls: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Not of a Redis Cluster, which has only one. */
  readonly database?: number;
  /** What sentinels call the server that they watch. */
  readonly watched?: string;
}

export interface RedisServerAddress {
  readonly host: string;
  readonly port: number;
}

/** The forms of `REDIS_URL`. */
export const REDIS_PROTOCOLS = [
  'redis:',
  'rediss:',
  'redis+cluster:',
  'rediss+cluster:',
  'redis+sentinel:',
  'rediss+sentinel:',
] as const;

/**
 * `redis://user:password@host:port/database`, `rediss://` with TLS. For a Redis Cluster `redis+cluster://` or `rediss+cluster://`;
 * behind sentinels `redis+sentinel://` or `rediss+sentinel://` with the name of the watched server as the path,
 * `/name` or `/name/database`. With both, `?node=host:port` names further servers to begin with and may occur several times.
 *
 * @throws SupernodeError SN_CONFIG_INVALID
 */
export function parseRedisUrl(text: string): RedisPlace {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const protocol = REDIS_PROTOCOLS.find((known) => known === url?.protocol);
  if (!url || !protocol || url.hostname === '') {
    throw invalid(`must begin with one of ${FORMS} and name a host`);
  }
  const kind = kindOf(protocol);
  const first = addressOf(url.host, kind);
  const others = kind === 'single' ? [] : url.searchParams.getAll('node');
  return {
    kind,
    servers: [first, ...others.map((other) => addressOf(other, kind))],
    isTls: protocol.startsWith('rediss'),
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
    ...pathOf(kind, url.pathname.split('/').slice(1)),
  };
}

const FORMS = REDIS_PROTOCOLS.map((protocol) => `${protocol}//`).join(', ');

function kindOf(protocol: string): RedisPlace['kind'] {
  if (protocol.endsWith('+cluster:')) return 'cluster';
  return protocol.endsWith('+sentinel:') ? 'sentinel' : 'single';
}

function addressOf(text: string, kind: RedisPlace['kind']): RedisServerAddress {
  const address = `redis://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || url.hostname === '') throw invalid('names a server that is no host with a port');
  const defaultPort = kind === 'sentinel' ? 26379 : 6379;
  // An address of IPv6 stands in brackets in a URL, and nowhere else.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { host, port: url.port === '' ? defaultPort : Number(url.port) };
}

function pathOf(kind: RedisPlace['kind'], path: readonly string[]): Pick<RedisPlace, 'database' | 'watched'> {
  if (kind === 'cluster') return {};
  if (kind === 'single') return databaseOf(path[0]);
  const [watched = '', database] = path;
  if (watched === '') throw invalid('must name the server that the sentinels watch as its path');
  return { watched: decodeURIComponent(watched), ...databaseOf(database) };
}

function databaseOf(text: string | undefined): Pick<RedisPlace, 'database'> {
  if (text === undefined || text === '') return {};
  if (!/^\d{1,5}$/.test(text)) throw invalid('must have the number of a database at the end of its path');
  return { database: Number(text) };
}

function invalid(what: string): SupernodeError {
  return new SupernodeError('SN_CONFIG_INVALID', `REDIS_URL ${what}.`);
}
