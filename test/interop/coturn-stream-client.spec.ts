import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { transportAddress } from '@parley/nat';
import { TurnServerDriver } from '@parley/nat/node';
import { runTool, totalsOf, type ToolRun } from './coturn-tools.ts';
import { EchoPeer } from './echo-peer.ts';

const SECRET = 'interop secret';
const MESSAGES = 20;
const CLIENTS = 2;
const ADDRESS = '127.0.0.1';
const FIXTURES = new URL('../../libs/nat/src/node/testing/', import.meta.url);

/** Name of the case, arguments of turnutils_uclient; `-c` as for UDP. */
const CASES: readonly (readonly [name: string, args: readonly string[]])[] = [
  ['Send and Data indications', ['-s', '-c']],
  ['channels', ['-c']],
  ['channels with lengths that need padding', ['-c', '-l', '101']],
  ['channels with large data', ['-c', '-l', '1350']],
  ['even ports with the next one reserved', []],
  ['client to client over channels', ['-y', '-c']],
  ['client to client over indications', ['-y', '-s', '-c']],
];

describe.each(['TCP', 'TLS'] as const)('coturn 4 as a TURN client of this server over %s', (transport) => {
  let server: TurnServerDriver;
  let tls: Server;
  let peer: EchoPeer;
  const runs = new Map<string, Promise<ToolRun>>();

  const client = (args: readonly string[], port: number, secret = SECRET): Promise<ToolRun> =>
    runTool('turnutils_uclient', [
      ...['-t', ...(transport === 'TLS' ? ['-S'] : [])],
      ...['-W', secret, '-u', 'interop', '-p', String(port)],
      ...['-n', String(MESSAGES), '-m', String(CLIENTS), '-z', '5'],
      ...(args.includes('-y') ? [] : ['-e', peer.address, '-r', String(peer.port)]),
      ...args,
      ADDRESS,
    ]);

  const portOf = (): number =>
    transport === 'TLS' ? (tls.address() as AddressInfo).port : (server.listeners[0]?.primary.port ?? 0);

  beforeAll(async () => {
    server = await TurnServerDriver.open({
      listen: [{ address: ADDRESS, port: 0, tcp: true }],
      turn: {
        realm: 'interop.example',
        relay: { ipv4: { bind: ADDRESS } },
        allowPeers: ['127.0.0.0/8'],
        // The tool picks channel numbers from the whole range of RFC 5766.
        acceptLegacyChannels: true,
        quotas: { allocationsPerCredential: 1000, allocationsPerAddress: 1000 },
        unauthenticatedReplies: { perSecond: 1000, burst: 1000 },
      },
    });
    server.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
    tls = createServer({
      cert: await readFile(new URL('tls-cert.pem', FIXTURES)),
      key: await readFile(new URL('tls-key.pem', FIXTURES)),
    });
    tls.listen(0, ADDRESS);
    await once(tls, 'listening');
    const listener = transportAddress(ADDRESS, (tls.address() as AddressInfo).port);
    tls.on('secureConnection', (socket) => {
      const from = transportAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0);
      server.acceptStream(socket, { client: from, server: listener, protocol: 'tls' });
    });
    peer = await EchoPeer.open(ADDRESS);
    // Each run spends seconds waiting: all at once.
    for (const [name, args] of CASES) runs.set(name, client(args, portOf()));
    await Promise.all(runs.values());
  }, 90_000);

  afterAll(async () => {
    tls.close();
    await server.close();
    await peer.close();
  });

  it.each(CASES)('relays %s', async (name, args) => {
    const run = await runs.get(name);
    const totals = run && totalsOf(run);
    // Over TLS the tool counts too few: probably it reads one of two records that arrive together, and the other one when more
    // comes, so that the last one of a connection may stay unread (client to client it misses more, of coturn's own server too).
    // That all of them left the server is what its counters say below.
    const isTls = transport === 'TLS';
    const isToolDeaf = isTls && args.includes('-y');

    expect(run?.exitCode).toBe(0);
    expect(totals?.received ?? 0).toBeGreaterThan(0);
    if (!isToolDeaf) expect(totals?.lost).toBeLessThanOrEqual(isTls ? CLIENTS : 0);
  });

  it('refuses a client with another secret', async () => {
    const run = await client(['-c'], portOf(), 'not the secret');

    expect(totalsOf(run)).toBeUndefined();
    expect(run.output).toContain('Cannot complete Allocation');
  });

  it('has handed over all that well-behaved clients and their peers sent, and keeps nothing of it', async () => {
    const totals = (await Promise.all(runs.values())).map(totalsOf);
    const sent = totals.reduce((sum, total) => sum + (total?.sent ?? 0), 0);
    const { toPeers, toClients } = server.stats().turn;

    expect(sent).toBe(CASES.length * CLIENTS * MESSAGES);
    expect(toPeers.datagrams).toBeGreaterThanOrEqual(sent);
    // Each datagram comes back: from the peer's echo, or as the other client's.
    expect(toClients.datagrams).toBe(toPeers.datagrams);
    expect(server.stats()).toMatchObject({
      sendFailures: 0,
      turn: { allocations: 0, drops: {} },
      streams: { open: 0, drops: {}, ended: {}, refused: {} },
    });
  });
});
