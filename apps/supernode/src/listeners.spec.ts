import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { listenOn } from './listeners.ts';

async function connected(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  return socket;
}

describe('listenOn', () => {
  it.each([0, 1])('closes connections over the limit at once, on address %i', async (at) => {
    const server = createHttpServer((_request, response) => response.end('served'));
    const hosts = ['127.0.0.1', '127.0.0.2'];
    const urls = await listenOn(server, { hosts, port: 0, setting: 'TEST_PORT', maxConnections: 2 });
    const url = urls[at] ?? '';
    const kept = [await connected(url), await connected(url)];

    const over = await connected(url);
    await once(over, 'close');

    kept[0]?.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
    const [answer] = (await once(kept[0]!, 'data')) as [Buffer];
    expect(answer.toString()).toContain('served');
    for (const socket of kept) socket.destroy();
    server.close();
    await once(server, 'close');
  });
});
