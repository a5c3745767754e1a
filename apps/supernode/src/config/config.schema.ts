import { LIMITS } from '@parley/protocol';
import { NODE_ID_PATTERN } from '../cluster/node-identity.ts';
import { REDIS_PROTOCOLS } from '../redis/redis-url.ts';
import { ELECTION_OPTIONS } from './cluster-options.ts';
import {
  CIDR,
  FLAG,
  IP_ADDRESS,
  PORT,
  PORT_RANGE,
  integer,
  list,
  oneOf,
  option,
  optional,
  secret,
  text,
  url,
  type Option,
} from './option.ts';

/**
 * Every setting of a supernode, declared once: the types of the sections, the loader, the reference page
 * (docs/reference/config.md) and .env.example all follow from this table. RFC-fixed values are not settings.
 */
export const CONFIG_SCHEMA = {
  edge: {
    hosts: option(list(IP_ADDRESS), {
      env: 'SUPERNODE_HOST',
      default: ['0.0.0.0'],
      doc: 'Addresses that the edge gateway and the STUN/TURN listeners bind.',
    }),
    publicAddress: optional(IP_ADDRESS, {
      env: 'SUPERNODE_PUBLIC_ADDRESS',
      doc: 'Address that clients and peers see, where it differs from the bound one.',
    }),
    port: option(PORT, {
      env: 'SUPERNODE_EDGE_PORT',
      default: 8080,
      doc: 'Edge gateway: HTTP and WebSocket.',
    }),
    tlsPort: optional(PORT, {
      env: 'SUPERNODE_TLS_PORT',
      doc: 'TLS listener for HTTP, WebSocket and TURN; 443 where a certificate is configured and this is not.',
    }),
    tlsCertFile: optional(text({ type: 'file' }), {
      env: 'SUPERNODE_TLS_CERT',
      doc: 'Certificate chain in PEM; read again when it changes.',
    }),
    tlsKeyFile: optional(text({ type: 'file' }), {
      env: 'SUPERNODE_TLS_KEY',
      doc: 'Private key in PEM; read again when it changes.',
    }),
    trustProxy: option(FLAG, {
      env: 'SUPERNODE_TRUST_PROXY',
      default: false,
      doc: 'Take client addresses from X-Forwarded-For. Only behind a proxy that sets it. Ignored on SUPERNODE_TLS_PORT, which clients reach directly.',
    }),
    corsOrigins: option(list(text({ type: 'origin', pattern: /^(\*|https?:\/\/[^/\s]+)$/ })), {
      env: 'SUPERNODE_CORS_ORIGINS',
      default: [],
      doc: 'Web origins whose pages may connect; none unless listed.',
    }),
    maxConnections: option(integer({ min: 1, max: 1_000_000 }), {
      env: 'SUPERNODE_MAX_CONNECTIONS',
      default: 20_000,
      doc: 'Connections of edge clients at one time.',
    }),
    maxConnectionsPerSource: option(integer({ min: 1, max: 1_000_000 }), {
      env: 'SUPERNODE_MAX_CONNECTIONS_PER_SOURCE',
      default: 512,
      doc: 'Connections of edge clients at one time from one IPv4 address or IPv6 /64.',
    }),
    messageRequestsPerSecond: option(integer({ min: LIMITS.requestsPerSecond, max: 1_000_000 }), {
      env: 'SUPERNODE_MESSAGE_REQUESTS_PER_SECOND',
      default: LIMITS.messageRequestsPerSecond,
      doc: 'Messages, reads and acknowledgements of one connection per second, four times as many at once; each message of a batch counts.',
    }),
    signInsPerSecond: option(integer({ min: 1, max: 1_000_000 }), {
      env: 'SUPERNODE_SIGN_INS_PER_SECOND',
      default: 250,
      doc: 'Sign-ins that are taken per second, with as many at once; beyond that clients are told when to try again.',
    }),
    resumesPerSecond: option(integer({ min: 1, max: 1_000_000 }), {
      env: 'SUPERNODE_RESUMES_PER_SECOND',
      default: 1000,
      doc: 'The same for clients that come back within the resume window, which cost less.',
    }),
    maxSignInsUnderWay: option(integer({ min: 1, max: 100_000 }), {
      env: 'SUPERNODE_SIGN_INS_UNDER_WAY',
      default: 64,
      doc: 'Sign-ins, resumes and searches that are worked on at one time; others wait, resumes first and searches last.',
    }),
    warmUpSeconds: option(integer({ min: 0, max: 3600 }), {
      env: 'SUPERNODE_WARM_UP_SECONDS',
      default: 60,
      doc: 'Time over which a supernode that was started beside warm ones comes from a tenth of these rates to all of them.',
    }),
    drainSeconds: option(integer({ min: 0, max: 3600 }), {
      env: 'SUPERNODE_DRAIN_SECONDS',
      default: 10,
      doc: 'Longest time that a stopping supernode gives its clients to leave.',
    }),
  },
  nat: {
    stunPort: option(PORT, {
      env: 'SUPERNODE_STUN_PORT',
      default: 3478,
      doc: 'STUN and TURN over UDP and TCP.',
    }),
    stunAltPort: option(PORT, {
      env: 'SUPERNODE_STUN_ALT_PORT',
      default: 3479,
      doc: 'Second UDP port, for NAT behaviour discovery (RFC 5780).',
    }),
    altAddress: optional(IP_ADDRESS, {
      env: 'SUPERNODE_ALT_ADDRESS',
      doc: 'Second address of this host, for NAT behaviour discovery (RFC 5780).',
    }),
    relayPortRange: option(PORT_RANGE, {
      env: 'SUPERNODE_RELAY_PORT_RANGE',
      default: { min: 49152, max: 65535 },
      doc: 'Ports of relayed transport addresses (default: RFC 8656 section 7.2).',
    }),
    maxAllocations: option(integer({ min: 1, max: 60_000 }), {
      env: 'SUPERNODE_RELAY_MAX_ALLOCATIONS',
      default: 4096,
      doc: 'TURN allocations at one time; the port range must hold as many.',
    }),
    maxAllocationsPerUser: option(integer({ min: 1, max: 10_000 }), {
      env: 'SUPERNODE_RELAY_MAX_ALLOCATIONS_PER_USER',
      default: 16,
      doc: 'TURN allocations at one time for each credential.',
    }),
    maxAllocationsPerAddress: option(integer({ min: 1, max: 60_000 }), {
      env: 'SUPERNODE_RELAY_MAX_ALLOCATIONS_PER_ADDRESS',
      default: 1024,
      doc: 'TURN allocations at one time from one IPv4 address or IPv6 /64; an office or a carrier NAT is one.',
    }),
    maxRelaysPerDevice: option(integer({ min: 1, max: 10_000 }), {
      env: 'SUPERNODE_RELAY_MAX_RELAYS_PER_DEVICE',
      default: 64,
      doc: 'Relays between registered flows at one time for each device; in all as many as TURN allocations.',
    }),
    relayBytesPerSecond: option(integer({ min: 1000, max: 10_000_000_000 }), {
      env: 'SUPERNODE_RELAY_BYTES_PER_SECOND',
      default: 125_000_000,
      doc: 'Bytes per second that each device may send through relays between registered flows. With open registration anybody has devices, and a few can use all of your egress: set it to what calls need, as 1000000, and SUPERNODE_RELAY_MAX_RELAYS_PER_DEVICE to a few.',
    }),
    allowPeers: option(list(CIDR), {
      env: 'SUPERNODE_RELAY_ALLOW_PEERS',
      default: [],
      doc: 'Blocks of special-purpose peer addresses that the relay accepts all the same. For labs.',
    }),
    realm: option(text(), {
      env: 'SUPERNODE_TURN_REALM',
      default: 'parley',
      doc: 'Realm of TURN credentials.',
    }),
  },
  admin: {
    host: option(IP_ADDRESS, {
      env: 'SUPERNODE_ADMIN_HOST',
      default: '127.0.0.1',
      doc: 'Address that the admin listener binds. Other than loopback only with an admin key.',
    }),
    port: option(PORT, { env: 'SUPERNODE_ADMIN_PORT', default: 8081, doc: 'Admin REST API and metrics.' }),
    bootstrapKey: secret(24, {
      env: 'SUPERNODE_ADMIN_KEY',
      doc: 'Admin key with every scope on the default tenant; stored as a hash. Removed from the store when a supernode that runs alone starts without it.',
    }),
  },
  identity: {
    apiSecret: secret(32, {
      env: 'SUPERNODE_API_SECRET',
      doc: 'Secret with which the backend of the default tenant signs access tokens (HS256).',
    }),
    jwksUrl: optional(url(['https:', 'http:']), {
      env: 'SUPERNODE_JWKS_URL',
      doc: 'Public keys that verify access tokens of the default tenant. Not together with SUPERNODE_API_SECRET.',
    }),
    turnSecret: secret(16, {
      env: 'SUPERNODE_TURN_SECRET',
      doc: 'Secret of time-limited TURN credentials of the default tenant; made and kept in the database where it is not set.',
    }),
    turnCredentialSeconds: option(integer({ min: 60, max: 86_400 }), {
      env: 'SUPERNODE_TURN_CREDENTIAL_SECONDS',
      default: 3600,
      doc: 'Life of a TURN credential; clients renew at half of it.',
    }),
    accessTokenSeconds: option(integer({ min: 60, max: 86_400 }), {
      env: 'SUPERNODE_ACCESS_TOKEN_SECONDS',
      default: 900,
      doc: 'Life of access tokens that the supernode itself issues (open registration).',
    }),
    openRegistration: option(FLAG, {
      env: 'SUPERNODE_OPEN_REGISTRATION',
      default: true,
      doc: 'Let anyone who solves a proof-of-work puzzle register in the default tenant.',
    }),
    puzzleBits: option(integer({ min: 0, max: 30 }), {
      env: 'SUPERNODE_PUZZLE_BITS',
      default: 16,
      doc: 'Leading zero bits that a registration puzzle asks for; each bit doubles the work.',
    }),
  },
  presence: {
    graceSeconds: option(integer({ min: 0, max: 300 }), {
      env: 'SUPERNODE_PRESENCE_GRACE_SECONDS',
      default: 15,
      doc: 'Time that a device which lost its connection still counts as online. While others of a lost home still return, or clients are turned away, it lasts up to 120 s, which is how long a device may resume.',
    }),
    historyDays: option(integer({ min: 0, max: 3650 }), {
      env: 'SUPERNODE_PRESENCE_HISTORY_DAYS',
      default: 30,
      doc: 'Days that presence history of the default tenant is kept.',
    }),
    windowMs: option(integer({ min: 0, max: 1000 }), {
      env: 'SUPERNODE_PRESENCE_WINDOW_MS',
      default: 50,
      doc: 'Milliseconds in which changes of one user are told to watchers as one.',
    }),
    updatesPerMinute: option(integer({ min: 1, max: 6000 }), {
      env: 'SUPERNODE_PRESENCE_UPDATES_PER_MINUTE',
      default: 60,
      doc: 'How often watchers are told of one user in the long run; what happens meanwhile is told with the next update.',
    }),
  },
  calls: {
    historyDays: option(integer({ min: 1, max: 3650 }), {
      env: 'SUPERNODE_CALL_HISTORY_DAYS',
      default: 365,
      doc: 'Days that a call stays in the histories of its users, counted from its beginning.',
    }),
  },
  storage: {
    dataDir: option(text({ type: 'folder' }), {
      env: 'SUPERNODE_DATA_DIR',
      default: '.data/supernode',
      doc: 'Folder of the embedded database; not used where DATABASE_URL is set.',
    }),
    databaseUrl: {
      ...optional(url(['postgresql:', 'postgres:']), {
        env: 'DATABASE_URL',
        doc: 'PostgreSQL server to use in place of the embedded one.',
      }),
      sensitive: true,
    },
    redisUrl: {
      ...optional(url(REDIS_PROTOCOLS), {
        env: 'REDIS_URL',
        doc: 'Redis that the supernodes of a cluster share, together with DATABASE_URL. Without it a supernode runs alone.',
      }),
      sensitive: true,
    },
    redisCaFile: optional(text({ type: 'file' }), {
      env: 'SUPERNODE_REDIS_CA',
      doc: 'Certificates in PEM of the authorities that Redis servers are checked by with TLS, in place of those that Node knows; read at the start.',
    }),
  },
  cluster: {
    nodeId: optional(
      text({
        type: 'name of letters, digits, dots and hyphens',
        pattern: NODE_ID_PATTERN,
      }),
      {
        env: 'SUPERNODE_NODE_ID',
        doc: 'Name of this supernode, unlike that of every other; made at each start where it is not set.',
      },
    ),
    edgeUrl: optional(url(['http:', 'https:']), {
      env: 'SUPERNODE_EDGE_URL',
      doc: 'URL of the edge gateway for clients and other supernodes, where it is not made of SUPERNODE_PUBLIC_ADDRESS and the port: behind a proxy, with a certificate.',
    }),
    region: option(
      text({ type: 'name of lower-case letters, digits and hyphens', pattern: /^[a-z0-9-]{1,64}$/ }),
      {
        env: 'SUPERNODE_REGION',
        default: 'default',
        doc: 'Region of this supernode.',
      },
    ),
    roles: option(list(oneOf(['index', 'relay'])), {
      env: 'SUPERNODE_ROLES',
      default: ['index', 'relay'],
      doc: 'What this supernode does: presence, look-ups and rendezvous (`index`), forwarding of media (`relay`). `relay` alone, and `index` alone with relays elsewhere, need a cluster.',
    }),
    relayCapacity: option(integer({ min: 1000, max: 100_000_000_000 }), {
      env: 'SUPERNODE_RELAY_CAPACITY',
      default: 125_000_000,
      doc: 'Bytes per second that this supernode can relay in all; the election compares its load with it.',
    }),
    eventLoopDelayMs: option(integer({ min: 1, max: 10_000 }), {
      env: 'SUPERNODE_EVENT_LOOP_DELAY_MS',
      default: 250,
      doc: 'Delay of the event loop (99th percentile) at which this supernode counts itself as fully loaded.',
    }),
    ...ELECTION_OPTIONS,
  },
  log: {
    level: option(oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace']), {
      env: 'SUPERNODE_LOG_LEVEL',
      default: 'info',
      doc: 'Least severe messages that are logged. Addresses of clients appear from `debug` on.',
    }),
  },
} as const satisfies Record<string, Record<string, Option<unknown>>>;

type Schema = typeof CONFIG_SCHEMA;
type ValueOf<O> = O extends Option<infer T> ? T : never;

/** All settings, typed and frozen. Only the composition root sees the whole of it. */
export type Config = {
  readonly [Section in keyof Schema]: {
    readonly [Key in keyof Schema[Section]]: ValueOf<Schema[Section][Key]>;
  };
};

export type EdgeConfig = Config['edge'];
export type NatConfig = Config['nat'];
export type AdminConfig = Config['admin'];
export type IdentityConfig = Config['identity'];
export type PresenceConfig = Config['presence'];
export type CallsConfig = Config['calls'];
export type StorageConfig = Config['storage'];
export type ClusterConfig = Config['cluster'];
export type LogConfig = Config['log'];

/** An option with its place, as the loader and the generators walk over them. */
export interface OptionEntry {
  readonly section: string;
  readonly key: string;
  readonly option: Option<unknown>;
}

/** Every option in the order of the table. */
export function optionEntries(): OptionEntry[] {
  return Object.entries(CONFIG_SCHEMA).flatMap(([section, options]) =>
    Object.entries(options).map(([key, declared]) => ({ section, key, option: declared as Option<unknown> })),
  );
}
