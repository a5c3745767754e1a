import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { invalidConfig, loadConfig, readSecretFiles, type Environment } from './load-config.ts';

function problemsOf(env: Environment): string[] {
  const result = loadConfig(env);
  return result.ok ? [] : result.problems.map(({ env: name, reason }) => `${name} ${reason}`);
}

describe('loadConfig', () => {
  it('gives the documented defaults from an empty environment', () => {
    const result = loadConfig({ PATH: '/bin' });

    expect(result).toMatchObject({
      ok: true,
      config: {
        edge: {
          hosts: ['0.0.0.0'],
          port: 8080,
          publicAddress: undefined,
          trustProxy: false,
          corsOrigins: [],
        },
        nat: {
          stunPort: 3478,
          stunAltPort: 3479,
          relayPortRange: { min: 49152, max: 65535 },
          realm: 'parley',
        },
        admin: { host: '127.0.0.1', port: 8081, bootstrapKey: undefined },
        cluster: { region: 'default', roles: ['index', 'relay'] },
      },
    });
  });

  it('reads every kind of value', () => {
    const result = loadConfig({
      SUPERNODE_HOST: '192.0.2.1, 2001:db8::1',
      SUPERNODE_EDGE_PORT: '0',
      SUPERNODE_TRUST_PROXY: 'true',
      SUPERNODE_RELAY_PORT_RANGE: '50000-60000',
      SUPERNODE_RELAY_ALLOW_PEERS: '10.0.0.0/8,fc00::/7',
      SUPERNODE_ROLES: 'relay,index',
      SUPERNODE_JWKS_URL: 'https://keys.example/jwks.json',
      SUPERNODE_REGION: '',
    });

    expect(result).toMatchObject({
      ok: true,
      config: {
        edge: { hosts: ['192.0.2.1', '2001:db8::1'], port: 0, trustProxy: true },
        nat: { relayPortRange: { min: 50000, max: 60000 }, allowPeers: ['10.0.0.0/8', 'fc00::/7'] },
        cluster: { roles: ['relay', 'index'], region: 'default' },
        identity: { jwksUrl: 'https://keys.example/jwks.json' },
      },
    });
  });

  it('reports every problem at once, and no value', () => {
    const problems = problemsOf({
      SUPERNODE_EDGE_PORT: '80801',
      SUPERNODE_HOST: 'localhost',
      SUPERNODE_ADMIN_KEY: 'short-secret',
      SUPERNODE_RELAY_ALLOW_PEERS: '10.0.0.0/33',
      SUPERNODE_TRUST_PROXY: 'yes',
      SUPERNODE_ROLES: 'index,index',
      SUPERNODE_RELAY_PORT_RANGE: '9000-8000',
      SUPERNODE_JWKS_URL: 'ftp://keys.example',
      SUPERNODE_EGDE_PORT: '1',
    });

    expect(problems).toEqual([
      'SUPERNODE_EGDE_PORT is not a setting; see docs/reference/config.md',
      'SUPERNODE_HOST holds a value that must be an IPv4 or IPv6 address',
      'SUPERNODE_EDGE_PORT must be an integer from 0 to 65535',
      'SUPERNODE_TRUST_PROXY must be true or false',
      'SUPERNODE_RELAY_PORT_RANGE must be two ports from 1024 to 65535, such as 49152-65535',
      'SUPERNODE_RELAY_ALLOW_PEERS holds a value that must be an address block such as 10.0.0.0/8',
      'SUPERNODE_ADMIN_KEY must have at least 24 characters',
      'SUPERNODE_JWKS_URL must begin with https:// or http://',
      'SUPERNODE_ROLES names a value twice',
    ]);
  });

  it('freezes what it returns, down to lists', () => {
    const result = loadConfig({ SUPERNODE_HOST: '127.0.0.1' });

    expect(
      result.ok && [result.config, result.config.edge, result.config.edge.hosts].every(Object.isFrozen),
    ).toBe(true);
  });
});

describe('cross-field rules', () => {
  const secret = 'x'.repeat(32);
  it.each<[string, Environment, string[]]>([
    [
      'a TLS port without a certificate',
      { SUPERNODE_TLS_PORT: '443' },
      [
        'SUPERNODE_TLS_CERT must be set for the TLS listener',
        'SUPERNODE_TLS_KEY must be set for the TLS listener',
      ],
    ],
    [
      'a certificate without its key',
      { SUPERNODE_TLS_CERT: '/c.pem' },
      ['SUPERNODE_TLS_KEY must be set for the TLS listener'],
    ],
    [
      'two ways to verify tokens',
      { SUPERNODE_API_SECRET: secret, SUPERNODE_JWKS_URL: 'https://k.example' },
      ['SUPERNODE_JWKS_URL cannot be set together with SUPERNODE_API_SECRET'],
    ],
    [
      'an admin listener in the open without a key',
      { SUPERNODE_ADMIN_HOST: '0.0.0.0' },
      ['SUPERNODE_ADMIN_KEY must be set where SUPERNODE_ADMIN_HOST is not a loopback address'],
    ],
    [
      'a cluster with a database that none shares',
      { REDIS_URL: 'rediss://r' },
      ['DATABASE_URL must be set together with REDIS_URL: the supernodes of a cluster share it'],
    ],
    [
      'a cluster over TLS whose supernodes have no name',
      {
        REDIS_URL: 'rediss://r',
        DATABASE_URL: 'postgresql://d',
        SUPERNODE_TLS_CERT: 'cert.pem',
        SUPERNODE_TLS_KEY: 'key.pem',
      },
      ['SUPERNODE_EDGE_URL must be set in a cluster whose clients come over TLS'],
    ],
    [
      'an authority for a Redis without TLS',
      {
        REDIS_URL: 'redis://localhost',
        DATABASE_URL: 'postgresql://localhost/x',
        SUPERNODE_REDIS_CA: 'ca.pem',
      },
      ['SUPERNODE_REDIS_CA needs a REDIS_URL with TLS, such as rediss://'],
    ],
    [
      'a supernode that only relays and is alone',
      { SUPERNODE_ROLES: 'relay' },
      ['SUPERNODE_ROLES must name index: a supernode that only relays needs a cluster (REDIS_URL)'],
    ],
    [
      'more seats at least than at most',
      { SUPERNODE_MINIMUM_SEATS: '5', SUPERNODE_MAXIMUM_SEATS: '4' },
      ['SUPERNODE_MINIMUM_SEATS must not exceed SUPERNODE_MAXIMUM_SEATS'],
    ],
    [
      'seats that would flap',
      {
        SUPERNODE_DEMOTE_PERCENT: '80',
        SUPERNODE_PROMOTE_PERCENT: '70',
        SUPERNODE_SHRINK_PERCENT: '71',
        SUPERNODE_GROW_PERCENT: '70',
      },
      [
        'SUPERNODE_DEMOTE_PERCENT must not exceed SUPERNODE_PROMOTE_PERCENT',
        'SUPERNODE_SHRINK_PERCENT must not exceed SUPERNODE_GROW_PERCENT',
      ],
    ],
    [
      'a handover before the former owner has surely stopped',
      { SUPERNODE_LEASE_TTL_MS: '6000', SUPERNODE_ROSTER_TTL_MS: '6001', SUPERNODE_HANDOVER_MS: '5999' },
      [
        'SUPERNODE_LEASE_TTL_MS must not exceed SUPERNODE_HANDOVER_MS',
        'SUPERNODE_ROSTER_TTL_MS must not exceed SUPERNODE_HANDOVER_MS',
      ],
    ],
    [
      'lives that end before they are renewed',
      { SUPERNODE_LEASE_MARGIN_MS: '1600', SUPERNODE_ROSTER_POLL_MS: '1501' },
      [
        'SUPERNODE_LEASE_MARGIN_MS must not exceed half of SUPERNODE_LEASE_TTL_MS',
        'SUPERNODE_LEASE_MARGIN_MS must not exceed half of SUPERNODE_COORDINATOR_TTL_MS',
        'SUPERNODE_ROSTER_POLL_MS must not exceed half of SUPERNODE_ROSTER_TTL_MS',
      ],
    ],
    [
      'weights of a score that do not add up',
      { SUPERNODE_SCORE_WEIGHTS: 'cpu:50,memory:50' },
      [
        'SUPERNODE_SCORE_WEIGHTS must be percentages that add up to 100: cpu:n,eventLoop:n,memory:n,relay:n,uptime:n,reachability:n,version:n',
      ],
    ],
    [
      'fewer relay ports than allocations',
      { SUPERNODE_RELAY_PORT_RANGE: '50000-50009' },
      ['SUPERNODE_RELAY_PORT_RANGE has 10 ports, fewer than SUPERNODE_RELAY_MAX_ALLOCATIONS (4096)'],
    ],
    [
      'a listener inside the relay range',
      { SUPERNODE_STUN_PORT: '50000' },
      ['SUPERNODE_STUN_PORT must not be inside SUPERNODE_RELAY_PORT_RANGE'],
    ],
    [
      'one port for two listeners',
      { SUPERNODE_ADMIN_PORT: '8080', SUPERNODE_STUN_ALT_PORT: '3478' },
      [
        'SUPERNODE_ADMIN_PORT must differ from SUPERNODE_EDGE_PORT',
        'SUPERNODE_STUN_ALT_PORT must differ from SUPERNODE_STUN_PORT',
      ],
    ],
    [
      'an alternate address that is no other',
      { SUPERNODE_HOST: '192.0.2.1', SUPERNODE_ALT_ADDRESS: '192.0.2.1' },
      ['SUPERNODE_ALT_ADDRESS must differ from SUPERNODE_HOST and SUPERNODE_PUBLIC_ADDRESS'],
    ],
  ])('refuse %s', (_, env, expected) => {
    expect(problemsOf(env)).toEqual(expected);
  });

  it.each<[string, Environment]>([
    [
      'several free ports',
      {
        SUPERNODE_EDGE_PORT: '0',
        SUPERNODE_ADMIN_PORT: '0',
        SUPERNODE_STUN_PORT: '0',
        SUPERNODE_STUN_ALT_PORT: '0',
      },
    ],
    ['TLS with both files', { SUPERNODE_TLS_CERT: '/c.pem', SUPERNODE_TLS_KEY: '/k.pem' }],
    ['an open admin listener with a key', { SUPERNODE_ADMIN_HOST: '::', SUPERNODE_ADMIN_KEY: secret }],
    ['a database of the operator', { DATABASE_URL: 'postgresql://d' }],
    ['a cluster', { REDIS_URL: 'rediss://r', DATABASE_URL: 'postgresql://d' }],
    [
      'a supernode of a cluster that only relays',
      { REDIS_URL: 'redis://r', DATABASE_URL: 'postgresql://d', SUPERNODE_ROLES: 'relay' },
    ],
  ])('allow %s', (_, env) => {
    expect(problemsOf(env)).toEqual([]);
  });
});

describe('readSecretFiles', () => {
  it('takes a secret from a file and reports one that cannot be read or is given twice', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'parley-config-'));
    const file = path.join(folder, 'secret');
    writeFileSync(file, 'a-turn-secret-from-a-file\n');

    const { env, problems } = readSecretFiles({
      SUPERNODE_TURN_SECRET_FILE: file,
      SUPERNODE_API_SECRET_FILE: path.join(folder, 'absent'),
      SUPERNODE_ADMIN_KEY_FILE: file,
      SUPERNODE_ADMIN_KEY: 'b',
    });
    rmSync(folder, { recursive: true });

    expect(env).toMatchObject({
      SUPERNODE_TURN_SECRET: 'a-turn-secret-from-a-file',
      SUPERNODE_TURN_SECRET_FILE: undefined,
    });
    expect(problems).toEqual([
      { env: 'SUPERNODE_ADMIN_KEY_FILE', reason: 'cannot be set together with SUPERNODE_ADMIN_KEY' },
      { env: 'SUPERNODE_API_SECRET_FILE', reason: expect.stringContaining('cannot be read: ENOENT') },
    ]);
  });
});

describe('invalidConfig', () => {
  it('puts every problem into one message with the exit code of a configuration error', () => {
    const error = invalidConfig([
      { env: 'SUPERNODE_A', reason: 'is wrong' },
      { env: 'SUPERNODE_B', reason: 'is wrong too' },
    ]);

    expect(error.message).toBe(
      'The settings have 2 problems:\n  SUPERNODE_A is wrong\n  SUPERNODE_B is wrong too',
    );
    expect(error.exitCode).toBe(78);
  });
});
