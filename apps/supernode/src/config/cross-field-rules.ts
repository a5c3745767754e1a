import type { ConfigProblem } from './config-problem.ts';
import type { Config } from './config.schema.ts';

type Rule = (config: Config) => readonly ConfigProblem[];

/** What one setting alone cannot say. Each rule has a test. */
export const CROSS_FIELD_RULES: readonly Rule[] = [
  tlsNeedsCertificateAndKey,
  oneTokenVerifier,
  adminBeyondLoopbackNeedsKey,
  clusterSharesDatabase,
  clusterWithTlsNeedsUrl,
  redisAuthorityNeedsTls,
  relayOnlyNeedsCluster,
  electionIsConsistent,
  relayRangeHoldsAllocations,
  relayRangeIsFreeOfListeners,
  listenersHaveDifferentPorts,
  alternateAddressDiffers,
];

function problem(env: string, reason: string): ConfigProblem {
  return { env, reason };
}

function tlsNeedsCertificateAndKey({ edge }: Config): ConfigProblem[] {
  const missing = [
    ...(edge.tlsCertFile === undefined ? ['SUPERNODE_TLS_CERT'] : []),
    ...(edge.tlsKeyFile === undefined ? ['SUPERNODE_TLS_KEY'] : []),
  ];
  const isWanted = edge.tlsPort !== undefined || missing.length < 2;
  return isWanted ? missing.map((env) => problem(env, 'must be set for the TLS listener')) : [];
}

function oneTokenVerifier({ identity }: Config): ConfigProblem[] {
  if (identity.apiSecret === undefined || identity.jwksUrl === undefined) return [];
  return [problem('SUPERNODE_JWKS_URL', 'cannot be set together with SUPERNODE_API_SECRET')];
}

function adminBeyondLoopbackNeedsKey({ admin }: Config): ConfigProblem[] {
  const isLoopback = admin.host === '::1' || admin.host.startsWith('127.');
  if (isLoopback || admin.bootstrapKey !== undefined) return [];
  return [problem('SUPERNODE_ADMIN_KEY', 'must be set where SUPERNODE_ADMIN_HOST is not a loopback address')];
}

/** Users, rosters and messages of a cluster are in one database, of which an embedded one cannot be part. */
function clusterSharesDatabase({ storage }: Config): ConfigProblem[] {
  if (storage.redisUrl === undefined || storage.databaseUrl !== undefined) return [];
  return [
    problem('DATABASE_URL', 'must be set together with REDIS_URL: the supernodes of a cluster share it'),
  ];
}

/** The name in the certificate is known to operators only, and clients that came over TLS follow nobody to plain HTTP. */
function clusterWithTlsNeedsUrl({ storage, edge, cluster }: Config): ConfigProblem[] {
  const isWanted = storage.redisUrl !== undefined && edge.tlsCertFile !== undefined;
  if (!isWanted || cluster.edgeUrl !== undefined) return [];
  return [problem('SUPERNODE_EDGE_URL', 'must be set in a cluster whose clients come over TLS')];
}

function redisAuthorityNeedsTls({ storage }: Config): ConfigProblem[] {
  if (storage.redisCaFile === undefined || storage.redisUrl?.startsWith('rediss') === true) return [];
  return [problem('SUPERNODE_REDIS_CA', 'needs a REDIS_URL with TLS, such as rediss://')];
}

function relayOnlyNeedsCluster({ storage, cluster }: Config): ConfigProblem[] {
  if (storage.redisUrl !== undefined || cluster.roles.includes('index')) return [];
  return [
    problem('SUPERNODE_ROLES', 'must name index: a supernode that only relays needs a cluster (REDIS_URL)'),
  ];
}

/** Pairs of which the first must not exceed the second: else seats flap, or two supernodes act for one slot. */
function electionIsConsistent({ cluster }: Config): ConfigProblem[] {
  const ordered: readonly (readonly [string, number, string, number])[] = [
    ['SUPERNODE_MINIMUM_SEATS', cluster.minimumSeats, 'SUPERNODE_MAXIMUM_SEATS', cluster.maximumSeats],
    ['SUPERNODE_DEMOTE_PERCENT', cluster.demotePercent, 'SUPERNODE_PROMOTE_PERCENT', cluster.promotePercent],
    ['SUPERNODE_SHRINK_PERCENT', cluster.shrinkPercent, 'SUPERNODE_GROW_PERCENT', cluster.growPercent],
    ['SUPERNODE_LEASE_TTL_MS', cluster.leaseTtlMs, 'SUPERNODE_HANDOVER_MS', cluster.handoverMs],
    ['SUPERNODE_ROSTER_TTL_MS', cluster.rosterTtlMs, 'SUPERNODE_HANDOVER_MS', cluster.handoverMs],
  ];
  const halves: readonly (readonly [string, number, string, number])[] = [
    ['SUPERNODE_LEASE_MARGIN_MS', cluster.marginMs, 'SUPERNODE_LEASE_TTL_MS', cluster.leaseTtlMs],
    ['SUPERNODE_LEASE_MARGIN_MS', cluster.marginMs, 'SUPERNODE_COORDINATOR_TTL_MS', cluster.coordinatorTtlMs],
    ['SUPERNODE_ROSTER_POLL_MS', cluster.rosterPollMs, 'SUPERNODE_ROSTER_TTL_MS', cluster.rosterTtlMs],
  ];
  return [
    ...ordered
      .filter(([, low, , high]) => low > high)
      .map(([env, , other]) => problem(env, `must not exceed ${other}`)),
    ...halves
      .filter(([, part, , whole]) => part > whole / 2)
      .map(([env, , other]) => problem(env, `must not exceed half of ${other}`)),
  ];
}

function relayRangeHoldsAllocations({ nat }: Config): ConfigProblem[] {
  const ports = nat.relayPortRange.max - nat.relayPortRange.min + 1;
  if (ports >= nat.maxAllocations) return [];
  return [
    problem(
      'SUPERNODE_RELAY_PORT_RANGE',
      `has ${ports} ports, fewer than SUPERNODE_RELAY_MAX_ALLOCATIONS (${nat.maxAllocations})`,
    ),
  ];
}

function relayRangeIsFreeOfListeners({ nat }: Config): ConfigProblem[] {
  const { min, max } = nat.relayPortRange;
  const listeners = { SUPERNODE_STUN_PORT: nat.stunPort, SUPERNODE_STUN_ALT_PORT: nat.stunAltPort };
  return Object.entries(listeners)
    .filter(([, port]) => port >= min && port <= max)
    .map(([env]) => problem(env, 'must not be inside SUPERNODE_RELAY_PORT_RANGE'));
}

function listenersHaveDifferentPorts({ edge, admin, nat }: Config): ConfigProblem[] {
  const tcp: [string, number | undefined][] = [
    ['SUPERNODE_EDGE_PORT', edge.port],
    ['SUPERNODE_ADMIN_PORT', admin.port],
    ['SUPERNODE_TLS_PORT', edge.tlsPort],
    ['SUPERNODE_STUN_PORT', nat.stunPort],
  ];
  const problems: ConfigProblem[] = [];
  const taken = new Map<number, string>();
  for (const [env, port] of tcp) {
    if (port === undefined || port === 0) continue;
    const other = taken.get(port);
    if (other === undefined) taken.set(port, env);
    else problems.push(problem(env, `must differ from ${other}`));
  }
  if (nat.stunPort !== 0 && nat.stunPort === nat.stunAltPort) {
    problems.push(problem('SUPERNODE_STUN_ALT_PORT', 'must differ from SUPERNODE_STUN_PORT'));
  }
  return problems;
}

function alternateAddressDiffers({ edge, nat }: Config): ConfigProblem[] {
  const isSame = nat.altAddress !== undefined && [...edge.hosts, edge.publicAddress].includes(nat.altAddress);
  return isSame
    ? [problem('SUPERNODE_ALT_ADDRESS', 'must differ from SUPERNODE_HOST and SUPERNODE_PUBLIC_ADDRESS')]
    : [];
}
