import type { Config } from './config.schema.ts';
import type { ConfigProblem } from './load-config.ts';

type Rule = (config: Config) => readonly ConfigProblem[];

/** What one setting alone cannot say. Each rule has a test. */
export const CROSS_FIELD_RULES: readonly Rule[] = [
  tlsNeedsCertificateAndKey,
  oneTokenVerifier,
  adminBeyondLoopbackNeedsKey,
  clustersAreNotThereYet,
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

/** Taken and ignored, they would give supernodes of which none knows the users of the others. */
function clustersAreNotThereYet({ storage, cluster }: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  if (storage.redisUrl !== undefined) {
    problems.push(
      problem('REDIS_URL', 'is for clusters, which this version cannot form: run one supernode without it'),
    );
  }
  if (!cluster.roles.includes('index')) {
    problems.push(
      problem('SUPERNODE_ROLES', 'must name index: a supernode that only relays needs a cluster'),
    );
  }
  return problems;
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
