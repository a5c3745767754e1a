import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TurnServerDriver } from '@parley/nat/node';
import { runTool, totalsOf, type ToolRun } from './coturn-tools.ts';
import { EchoPeer } from './echo-peer.ts';

const SECRET = 'interop secret';
const MESSAGES = 20;
const CLIENTS = 2;

const hasIpv6Loopback = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

/** Name of the case, arguments of turnutils_uclient, address. `-c`: without RTCP pairs; else EVEN-PORT and RESERVATION-TOKEN. */
const RELAYED: readonly (readonly [name: string, args: readonly string[], address?: string])[] = [
  ['Send and Data indications', ['-s', '-c']],
  ['channels', ['-c']],
  ['channels, padded', ['-c', '-D']],
  ['even ports with the next one reserved', []],
  ['permissions and channels asked for again and again', ['-c', '-G']],
  ['an IPv4 relay asked for explicitly', ['-c', '-X']],
  ...(hasIpv6Loopback ? ([['an IPv6 relay', ['-c', '-x'], '::1']] as const) : []),
];
const CLIENT_TO_CLIENT: readonly (readonly [name: string, args: readonly string[]])[] = [
  ['channels', ['-y', '-c']],
  ['Send and Data indications', ['-y', '-s', '-c']],
];

describe('coturn 4 as a TURN client of this server', () => {
  let server: TurnServerDriver;
  const peers = new Map<string, EchoPeer>();
  const runs = new Map<readonly string[], Promise<ToolRun>>();

  const portAt = (address: string): string =>
    String(server.listeners.find(({ primary }) => primary.address === address)?.primary.port);
  const client = (args: readonly string[], address = '127.0.0.1', secret = SECRET): Promise<ToolRun> => {
    const peer = peers.get(address);
    const towards =
      args.includes('-y') || peer === undefined ? [] : ['-e', peer.address, '-r', String(peer.port)];
    const load = ['-n', String(MESSAGES), '-m', String(CLIENTS), '-z', '5'];
    return runTool('turnutils_uclient', [
      '-W',
      secret,
      '-u',
      'interop',
      '-p',
      portAt(address),
      ...load,
      ...towards,
      ...args,
      address,
    ]);
  };

  beforeAll(async () => {
    const addresses = hasIpv6Loopback ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
    server = await TurnServerDriver.open({
      listen: addresses.map((address) => ({
        address,
        port: 0,
        ...(address === '127.0.0.1' ? { alternateAddress: '127.0.0.2', alternatePort: 0 } : {}),
      })),
      turn: {
        realm: 'interop.example',
        relay: { ipv4: { bind: '127.0.0.1' }, ...(hasIpv6Loopback ? { ipv6: { bind: '::1' } } : {}) },
        allowPeers: ['127.0.0.0/8', '::1/128'],
        // The tool picks channel numbers from the whole range of RFC 5766.
        acceptLegacyChannels: true,
        quotas: { allocationsPerCredential: 1000, allocationsPerAddress: 1000 },
        unauthenticatedReplies: { perSecond: 1000, burst: 1000 },
      },
    });
    server.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
    for (const address of addresses) peers.set(address, await EchoPeer.open(address));
    // Each run spends seconds waiting: all at once.
    for (const [, args, address] of RELAYED) runs.set(args, client(args, address));
    for (const [, args] of CLIENT_TO_CLIENT) runs.set(args, client(args));
    await Promise.all(runs.values());
  }, 90_000);

  afterAll(async () => {
    await server.close();
    await Promise.all([...peers.values()].map((peer) => peer.close()));
  });

  it.each(RELAYED)('loses nothing over %s', async (_name, args) => {
    const run = await runs.get(args);

    expect(run?.exitCode).toBe(0);
    expect(run && totalsOf(run)).toMatchObject({
      received: MESSAGES * CLIENTS,
      sent: MESSAGES * CLIENTS,
      lost: 0,
    });
  });

  it.each(CLIENT_TO_CLIENT)('loses nothing from client to client over %s', async (_name, args) => {
    const run = await runs.get(args);

    expect(run?.exitCode).toBe(0);
    expect(run && totalsOf(run)).toMatchObject({ lost: 0 });
    expect((run && totalsOf(run)?.received) ?? 0).toBeGreaterThan(0);
  });

  it('refuses a client with another secret', async () => {
    const run = await client(['-c'], '127.0.0.1', 'not the secret');

    expect(totalsOf(run)).toBeUndefined();
    expect(run.output).toContain('Cannot complete Allocation');
  });

  it('refuses DONT-FRAGMENT with 420, as a server that cannot set the flag must', async () => {
    const run = await client(['-c', '-g']);

    expect(run.output).toContain('420');
  });

  it('refuses numbers beyond 0x4FFF unless told otherwise, and says so with 400', async () => {
    const strict = await TurnServerDriver.open({
      listen: [{ address: '127.0.0.1', port: 0 }],
      turn: { realm: 'interop.example', relay: { ipv4: { bind: '127.0.0.1' } }, allowPeers: ['127.0.0.0/8'] },
    });
    strict.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
    const peer = peers.get('127.0.0.1');
    // With ten clients the chance that every random number is below 0x5000 is one in a million.
    const args = [
      '-W',
      SECRET,
      '-u',
      'interop',
      '-c',
      '-m',
      '10',
      '-n',
      '1',
      '-e',
      '127.0.0.1',
      '-r',
      String(peer?.port),
    ];

    const run = await runTool('turnutils_uclient', [
      ...args,
      '-p',
      String(strict.listeners[0]?.primary.port),
      '127.0.0.1',
    ]);
    await strict.close();

    expect(run.output).toMatch(/channel bind: error 400/);
  });

  it('tells a host without NAT what it is (RFC 5780)', async () => {
    const run = await runTool('turnutils_natdiscovery', ['-m', '-f', '-p', portAt('127.0.0.1'), '127.0.0.1']);

    expect(run.output).toContain('Endpoint Independent Mapping');
    expect(run.output).toContain('Endpoint Independent Filtering');
  });

  it('has dropped nothing that a well-behaved client sent', () => {
    expect(server.stats()).toMatchObject({ sendFailures: 0, turn: { drops: {} } });
  });
});
