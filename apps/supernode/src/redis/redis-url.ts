import { SupernodeError } from '../errors.ts';

/** Where Redis is, as `REDIS_URL` says it. */
export interface RedisPlace {
  readonly kind: 'single' | 'cluster';
  /** `redis:` or `rediss:` with host and port and nothing else: one server, or those that know the others. */
  readonly servers: readonly [string, ...string[]];
  readonly isTls: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Of a single server; a Redis Cluster has only one. */
  readonly database?: number;
}

/** The forms of `REDIS_URL`. */
export const REDIS_PROTOCOLS = ['redis:', 'rediss:', 'redis+cluster:', 'rediss+cluster:'] as const;

/**
 * `redis://user:password@host:port/database`, `rediss://` with TLS; for a Redis Cluster `redis+cluster://` or
 * `rediss+cluster://`, where `?node=host:port` names further servers to begin with and may occur several times.
 *
 * @throws SupernodeError SN_CONFIG_INVALID
 */
export function parseRedisUrl(text: string): RedisPlace {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const protocol = REDIS_PROTOCOLS.find((known) => known === url?.protocol);
  if (!url || !protocol || url.hostname === '') {
    throw new SupernodeError(
      'SN_CONFIG_INVALID',
      `REDIS_URL must begin with one of ${FORMS} and name a host`,
    );
  }
  const isTls = protocol.startsWith('rediss');
  const kind = protocol.endsWith('+cluster:') ? 'cluster' : 'single';
  const scheme = isTls ? 'rediss' : 'redis';
  const serverOf = (host: string) => `${scheme}://${host}`;
  const first = serverOf(`${url.hostname}:${url.port === '' ? '6379' : url.port}`);
  const others = kind === 'cluster' ? url.searchParams.getAll('node').map(serverOf) : [];
  return {
    kind,
    servers: [first, ...others],
    isTls,
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
    ...(kind === 'single' && url.pathname.length > 1 && { database: databaseOf(url.pathname.slice(1)) }),
  };
}

const FORMS = REDIS_PROTOCOLS.map((protocol) => `${protocol}//`).join(', ');

function databaseOf(text: string): number {
  if (!/^\d{1,5}$/.test(text)) {
    throw new SupernodeError('SN_CONFIG_INVALID', 'The path of REDIS_URL must be the number of a database');
  }
  return Number(text);
}
