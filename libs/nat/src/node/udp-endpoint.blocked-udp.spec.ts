import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { createServer } from 'node:tls';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { transportAddress } from '../net/ip-address.ts';
import type { EndpointLogEntry, TurnServer, TurnStreamServer } from './endpoint/endpoint-types.ts';
import type { IcePath } from './endpoint/ice-path.ts';
import { nodeCrypto } from './node-crypto.ts';
import { testCredential } from './testing/stream-turn-client.ts';
import { UdpGate } from './testing/udp-gate.ts';
import { TurnServerDriver } from './turn-server-driver.ts';
import { UdpEndpoint } from './udp-endpoint.ts';

jest.setTimeout(30_000);
const SECRET = 'blocked secret';
const FIXTURES = path.join(import.meta.dirname, 'testing');
const cert = await readFile(path.join(FIXTURES, 'tls-cert.pem'), 'utf8');
const key = await readFile(path.join(FIXTURES, 'tls-key.pem'), 'utf8');
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

interface Server {
  readonly driver: TurnServerDriver;
  readonly gate: UdpGate;
  readonly tls: TurnStreamServer;
  readonly tcp: TurnStreamServer;
}

async function openServer(): Promise<Server> {
  const driver = await TurnServerDriver.open({
    listen: [{ address: '127.0.0.1', port: 0, tcp: true }],
    turn: { realm: 'blocked', relay: { ipv4: { bind: '127.0.0.1' } }, allowPeers: ['127.0.0.0/8'] },
  });
  driver.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
  const { primary } = driver.listeners[0]!;
  const gate = await UdpGate.before(primary);
  const server = createServer({ cert, key, ALPNProtocols: ['stun.turn'] });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const address = transportAddress('127.0.0.1', port);
  server.on('secureConnection', (socket) => {
    const client = transportAddress(socket.remoteAddress!, socket.remotePort!);
    driver.acceptStream(socket, { client, server: address, protocol: 'tls' });
  });
  closing.push(
    () => server.close(),
    () => driver.close(),
    () => gate.close(),
  );
  return {
    driver,
    gate,
    tls: { transport: 'tls', host: '127.0.0.1', port },
    tcp: { transport: 'tcp', host: '127.0.0.1', port: primary.port },
  };
}

async function openEndpoint(turn: Omit<TurnServer, 'username' | 'password'>, id = 'alice') {
  const log: EndpointLogEntry[] = [];
  const endpoint = await UdpEndpoint.open({
    crypto: nodeCrypto,
    demultiplex: () => 's',
    bind: { ipv4: { address: '127.0.0.1' }, ipv6: false },
    onLog: (entry) => log.push(entry),
  });
  closing.push(() => endpoint.close());
  endpoint.setServers({ stun: [], turn: { ...turn, ca: turn.ca ?? [cert], ...testCredential(SECRET, id) } });
  return { endpoint, log };
}

async function connect(endpoints: readonly [UdpEndpoint, UdpEndpoint]): Promise<readonly [IcePath, IcePath]> {
  const [near, far] = endpoints.map((endpoint, at) =>
    endpoint.createPath({
      role: at === 0 ? 'controlling' : 'controlled',
      dataKey: 's',
      policy: 'relay-only',
    }),
  ) as [IcePath, IcePath];
  near.onLocalCandidate((candidate) => far.addRemoteCandidate(candidate));
  far.onLocalCandidate((candidate) => near.addRemoteCandidate(candidate));
  const proven = [near, far].map(
    (path) =>
      new Promise<void>((resolve) => {
        path.onPath(({ provisional }) => !provisional && resolve());
      }),
  );
  far.setRemote(near.localCredentials, near.localCandidates());
  near.setRemote(far.localCredentials, far.localCandidates());
  await Promise.all(proven);
  return [near, far];
}

async function crosses(from: IcePath, to: IcePath, text: string): Promise<string> {
  const arrived = new Promise<string>((resolve) => {
    to.onData((bytes) => resolve(Buffer.from(bytes).toString()));
  });
  from.send(Buffer.from(text));
  return arrived;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('UdpEndpoint where UDP is blocked', () => {
  it.each(['tls', 'tcp'] as const)(
    'relays over %s between two blocked clients, both ways',
    async (transport) => {
      const server = await openServer();
      const turn = { server: server.gate.address, streams: [server[transport]] };
      const [alice, bob] = [await openEndpoint(turn), await openEndpoint(turn, 'bob')];

      const reports = await Promise.all([alice.endpoint.gather(), bob.endpoint.gather()]);
      const [near, far] = await connect([alice.endpoint, bob.endpoint]);

      expect(await crosses(near, far, 'there')).toBe('there');
      expect(await crosses(far, near, 'and back')).toBe('and back');
      expect(reports.map(({ relay }) => relay?.transport)).toEqual([transport, transport]);
      expect(server.driver.stats().streams).toMatchObject({ open: 2, drops: {}, ended: {} });
    },
  );

  it('relays between a blocked client and one on UDP', async () => {
    const server = await openServer();
    const blocked = await openEndpoint({ server: server.gate.address, streams: [server.tls] });
    const open = await openEndpoint(
      { server: server.driver.listeners[0]!.primary, streams: [server.tls] },
      'bob',
    );

    const reports = await Promise.all([blocked.endpoint.gather(), open.endpoint.gather()]);
    const [near, far] = await connect([blocked.endpoint, open.endpoint]);

    expect(await crosses(near, far, 'there')).toBe('there');
    expect(await crosses(far, near, 'and back')).toBe('and back');
    expect(reports.map(({ relay }) => relay?.transport)).toEqual(['tls', 'udp']);
    expect(server.driver.stats().streams.accepted).toBe(1);
  });

  it('tells nobody the TCP address as if it was one of UDP', async () => {
    const server = await openServer();
    const { endpoint } = await openEndpoint({ server: server.gate.address, streams: [server.tls] });

    const { candidates } = await endpoint.gather();

    expect(candidates.map(({ kind }) => kind)).toEqual(['host', 'relayed']);
  });

  it('goes on with the next server where one cannot be reached', async () => {
    const server = await openServer();
    const nobody: TurnStreamServer = { transport: 'tls', host: '127.0.0.1', port: 1 };
    const { endpoint } = await openEndpoint({ server: server.gate.address, streams: [nobody, server.tls] });

    expect((await endpoint.gather()).relay).toMatchObject({ transport: 'tls' });
  });

  it('trusts no certificate of an unknown authority', async () => {
    const server = await openServer();
    const { endpoint, log } = await openEndpoint({ streams: [server.tls], ca: [] });

    const { relay } = await endpoint.gather({ timeoutMs: 1000 });

    expect(relay?.address).toBeUndefined();
    expect(log[0]).toMatchObject({ event: 'relay-connection-lost', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(server.driver.stats().streams.accepted).toBe(0);
  });

  it('moves back to UDP once that works, without losing the session', async () => {
    const server = await openServer();
    const turn = { server: server.gate.address, streams: [server.tls] };
    const [alice, bob] = [await openEndpoint(turn), await openEndpoint(turn, 'bob')];
    await Promise.all([alice.endpoint.gather(), bob.endpoint.gather()]);
    const [near, far] = await connect([alice.endpoint, bob.endpoint]);

    server.gate.isOpen = true;
    await until(() =>
      [alice, bob].every(({ log }) =>
        log.some(({ event, transport }) => event === 'relay-allocated' && transport === 'udp'),
      ),
    );
    await until(() => server.driver.stats().streams.open === 0);

    expect(await crosses(near, far, 'still there')).toBe('still there');
    expect(await crosses(far, near, 'here too')).toBe('here too');
    expect([near.state, far.state]).not.toContain('failed');
  });

  it('allocates again when the connection breaks', async () => {
    const server = await openServer();
    const { endpoint, log } = await openEndpoint({ server: server.gate.address, streams: [server.tcp] });
    await endpoint.gather();
    const allocations = () => log.filter(({ event }) => event === 'relay-allocated').length;

    server.driver.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
    await server.driver.close();
    await until(() => log.some(({ event }) => event === 'relay-lost'));
    const again = await TurnServerDriver.open({
      listen: [{ address: '127.0.0.1', port: server.tcp.port, tcp: true }],
      turn: { realm: 'blocked', relay: { ipv4: { bind: '127.0.0.1' } } },
    });
    closing.push(() => again.close());
    again.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });

    await until(() => allocations() === 2);
    expect(again.stats()).toMatchObject({ turn: { allocations: 1 }, streams: { open: 1 } });
  });

  it('leaves no connection behind when it closes', async () => {
    const server = await openServer();
    const { endpoint } = await openEndpoint({ streams: [server.tls] });
    await endpoint.gather();

    await endpoint.close();

    await until(() => server.driver.stats().streams.open === 0);
    expect(server.driver.stats().turn.allocations).toBe(0);
  });
});
