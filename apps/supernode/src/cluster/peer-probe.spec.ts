import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { transportAddress } from '@parley/nat';
import { StunServerDriver } from '@parley/nat/node';
import { SocketPeerProbe } from './peer-probe.ts';

const IDENTITY = { clusterId: 'cluster', nodeId: 'node-a', incarnation: 3, rosterEpoch: 7 };
const servers: Server[] = [];
const probe = new SocketPeerProbe();

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

describe('SocketPeerProbe › identity', () => {
  it('reads who answers at an address, by a new connection each time', async () => {
    const asked: (string | undefined)[] = [];
    const ports = new Set<number | undefined>();
    const url = await serve((request, response) => {
      asked.push(request.url);
      ports.add(request.socket.remotePort);
      response.end(JSON.stringify({ ...IDENTITY, later: 'field' }));
    });

    expect([await probe.identity(url, 300), await probe.identity(`${url}/`, 300)]).toEqual([
      IDENTITY,
      IDENTITY,
    ]);
    expect(asked).toEqual(['/cluster/identity', '/cluster/identity']);
    expect(ports.size).toBe(2);
  });

  it.each<[string, RequestListener]>([
    ['that is refused', (_request, response) => response.writeHead(404).end(JSON.stringify(IDENTITY))],
    ['of something else', (_request, response) => response.end('<html>')],
    ['without a name', (_request, response) => response.end('{"clusterId":"cluster"}')],
    ['that does not end', (_request, response) => response.end('x'.repeat(100_000))],
    ['that does not come', () => undefined],
    ['that breaks off', (request) => request.socket.destroy()],
  ])('takes an answer %s for none', async (_what, listener) => {
    expect(await probe.identity(await serve(listener), 300)).toBeUndefined();
  });

  it.each(['ftp://127.0.0.1/', 'wss://127.0.0.1/', 'no address', ''])('finds nobody at %p', async (url) => {
    expect(await probe.identity(url, 300)).toBeUndefined();
  });

  it('finds nobody where nobody listens', async () => {
    const url = await serve(() => undefined);
    await new Promise((resolve) => servers.pop()?.close(resolve));

    expect(await probe.identity(url, 300)).toBeUndefined();
  });
});

describe('SocketPeerProbe › reflexiveAddress', () => {
  it('learns how a STUN server sees this host', async () => {
    const server = await StunServerDriver.open({ bind: { primary: transportAddress('127.0.0.1', 0) } });

    const learnt = await probe.reflexiveAddress(`127.0.0.1:${server.addresses.primary.port}`, 300);

    expect(learnt).toBe('127.0.0.1');
    await server.close();
  });

  it('gives up on one that does not answer, and on an address that is none', async () => {
    const silent = createSocket('udp4');
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');

    expect(await probe.reflexiveAddress(`127.0.0.1:${silent.address().port}`, 300)).toBeUndefined();
    expect(await probe.reflexiveAddress('255.255.255.255:9', 300)).toBeUndefined();
    expect(await probe.reflexiveAddress('', 300)).toBeUndefined();
    silent.close();
  });
});
